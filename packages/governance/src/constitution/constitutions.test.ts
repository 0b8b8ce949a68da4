import { beforeEach, expect, test } from "vitest";
import { ActionService } from "../actions.testing.ts";

let service: ActionService;
beforeEach(() => {
  service = new ActionService();
});

/** The actions that CCF's documentation and sample add-ons have. */
const referenceActions = [
  ["set_constitution", "set_role_definition"],
  ["set_member", "remove_member", "set_member_data"],
  ["set_user", "remove_user", "set_user_data"],
  ["set_recovery_threshold", "set_service_configuration", "trigger_recovery_shares_refresh"],
  ["trigger_ledger_rekey", "trigger_ledger_chunk", "trigger_snapshot"],
  ["transition_service_to_open", "assert_service_identity", "set_service_certificate_validity"],
  ["set_js_app", "remove_js_app", "set_js_runtime_options", "refresh_js_app_bytecode_cache"],
  ["set_ca_cert_bundle", "remove_ca_cert_bundle"],
  ["set_jwt_issuer", "set_jwt_public_signing_keys", "remove_jwt_issuer"],
  ["cleanup_legacy_jwt_records"],
  ["add_node_code", "remove_node_code", "add_snp_measurement", "remove_snp_measurement"],
  ["add_snp_uvm_endorsement", "remove_snp_uvm_endorsement"],
  ["add_snp_host_data", "remove_snp_host_data"],
  ["add_virtual_measurement", "remove_virtual_measurement"],
  ["add_virtual_host_data", "remove_virtual_host_data"],
  ["set_snp_minimum_tcb_version", "set_snp_minimum_tcb_version_hex"],
  ["remove_snp_minimum_tcb_version"],
  ["set_node_data", "transition_node_to_trusted", "remove_node"],
  ["set_node_certificate_validity", "set_all_nodes_certificate_validity"],
].flat();

test("every action of the reference is known, and takes no argument of another name", () => {
  expect(referenceActions).toHaveLength(47);
  for (const name of referenceActions) {
    const { error } = service.run(name, { unheard_of: 1 }).json;
    expect(error.message).toContain(`${name} at position 0 failed validation`);
    expect(error.message).toContain("args.unheard_of is not known");
  }
  expect(service.run("no_such_action").json.error.message).toContain(
    "no_such_action: no such action",
  );
});
