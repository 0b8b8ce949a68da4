import { beforeAll, describe, expect, test } from "vitest";
import { createGenesis, type GenesisRequest } from "./genesis.ts";
import { createTestMember, genesisRequest, type TestMember } from "./governance.testing.ts";
import { crypto, dump, GovernanceHost } from "./host.testing.ts";
import { hasLedger, RecordedHost, readLedgerTransactions } from "./recorded.testing.ts";
import { governanceTables, internalTables } from "./tables.ts";

let members: readonly TestMember[];
beforeAll(() => {
  members = ["alice", "bob"].map(createTestMember);
});

const live = "live_service";

describe.skipIf(!hasLedger(live))("the first transaction of a real service", () => {
  test("is written again, byte for byte, from what it says", () => {
    const transactions = readLedgerTransactions(live);
    const recorded = new RecordedHost(transactions);
    recorded.advanceTo(1);
    const request = recorded.read((transaction): GenesisRequest => {
      const [node] = governanceTables.nodeInfo.of(transaction).entries();
      const [nodeId, nodeInfo] = node!;
      const service = governanceTables.serviceInfo.get(transaction)!;
      const keys = governanceTables.memberEncryptionKeys.of(transaction);
      const certificates = governanceTables.memberCerts.of(transaction);
      const [measurement] = governanceTables.virtualMeasurements.of(transaction).entries()[0]!;
      const [hostData] = governanceTables.virtualHostData.of(transaction).entries()[0]!;
      return {
        nodeId,
        nodeInfo,
        nodeCertificate: governanceTables.nodeEndorsedCertificates.of(transaction).get(nodeId)!,
        serviceCertificate: service.cert,
        createTxId: "2.1",
        platform: { format: "Insecure_Virtual", measurement, hostData },
        genesis: {
          members: certificates.entries().map(([id, certificate]) => ({
            certificate,
            encryptionPublicKey: keys.get(id)!,
          })),
          constitution: governanceTables.constitution.get(transaction)!,
          configuration: governanceTables.serviceConfiguration.get(transaction)!,
        },
      };
    });
    const host = new GovernanceHost();
    host.write((transaction) => createGenesis(transaction, crypto, request));
    expect(dump(host.store)).toEqual(dump(recorded.store));
  });
});

describe("genesis", () => {
  const start = (): { host: GovernanceHost; request: GenesisRequest } => {
    const host = new GovernanceHost();
    const request = genesisRequest(members, "// constitution");
    host.write((transaction) => createGenesis(transaction, crypto, request));
    return { host, request };
  };

  test("members are accepted, in the order of the request, and have nothing to acknowledge", () => {
    const host = new GovernanceHost();
    const request = genesisRequest(members, "// constitution");
    const ids = host.write((transaction) => createGenesis(transaction, crypto, request));
    expect(ids).toEqual(members.map(({ id }) => id));
    expect(dump(host.store)["public:ccf.gov.members.acks"]).toEqual(
      Object.fromEntries(ids.map((id) => [id, '{"state_digest":""}'])),
    );
    const info = host.send("GET", "/service/info").json;
    expect([info.status, info.recoveryCount, info.creationTransactionId]).toEqual([
      "Opening",
      0,
      "2.1",
    ]);
  });

  test("a service is not started twice", () => {
    const { host, request } = start();
    const again = () => host.write((transaction) => createGenesis(transaction, crypto, request));
    expect(again).toThrow(/exists already/);
    const other = genesisRequest(members, "// other");
    expect(() => host.write((transaction) => createGenesis(transaction, crypto, other))).toThrow(
      /exists already/,
    );
  });

  test("a member's recovery role and key have to fit", () => {
    const [alice] = members;
    const { certificate, encryptionPublicKey } = alice!;
    const refusedMembers = [
      { certificate, recoveryRole: "Owner" as const },
      { certificate, encryptionPublicKey, recoveryRole: "NonParticipant" as const },
      { certificate: "not a certificate" },
    ];
    for (const member of refusedMembers) {
      const request = genesisRequest([], "");
      const genesis = { ...request.genesis!, members: [member] };
      const host = new GovernanceHost();
      expect(() =>
        host.write((transaction) => createGenesis(transaction, crypto, { ...request, genesis })),
      ).toThrow(/cannot be (added|used)/);
    }
  });

  test("a recovered service remembers the one before and keeps its members and rules", () => {
    const { host, request } = start();
    const { genesis: _, ...recovery } = genesisRequest([], "");
    const recover = () =>
      host.write((transaction) =>
        createGenesis(transaction, crypto, {
          ...recovery,
          nodeId: "0e".repeat(32),
          createTxId: "4.67",
        }),
      );
    expect(recover).toThrow(/signed nothing/);
    host.write((transaction) =>
      internalTables.signatures.set(transaction, {
        commit_seqno: 0,
        commit_view: 0,
        node: request.nodeId,
        root: "5a".repeat(32),
        seqno: 2,
        sig: "",
        view: 2,
      }),
    );
    recover();
    host.read((transaction) => {
      expect(governanceTables.serviceInfo.get(transaction)).toEqual({
        cert: recovery.serviceCertificate,
        current_service_create_txid: "4.67",
        previous_service_identity_version: 1,
        recovery_count: 1,
        status: "Recovering",
      });
      expect(governanceTables.previousServiceIdentity.get(transaction)).toBe(
        request.serviceCertificate,
      );
      expect(internalTables.previousServiceLastSignedRoot.get(transaction)).toBe("5a".repeat(32));
      const nodes = governanceTables.nodeInfo.of(transaction);
      expect(nodes.get(request.nodeId)?.status).toBe("Retired");
      expect(nodes.get("0e".repeat(32))?.status).toBe("Trusted");
      expect(governanceTables.memberInfo.of(transaction).size).toBe(2);
      expect(governanceTables.constitution.get(transaction)).toBe("// constitution");
    });
    const info = host.send("GET", "/service/info").json;
    expect(info.previousServiceCreationTransactionId).toBe("2.1");
  });

  test("a service that never said where it began is recovered when its ledger tells", () => {
    const { host, request } = start();
    const { genesis: _, ...recovery } = genesisRequest([], "");
    host.write((transaction) => {
      const service = governanceTables.serviceInfo.get(transaction)!;
      const { current_service_create_txid: _, ...old } = service;
      governanceTables.serviceInfo.set(transaction, old);
      internalTables.signatures.set(transaction, {
        commit_seqno: 0,
        commit_view: 0,
        node: request.nodeId,
        root: "5a".repeat(32),
        seqno: 2,
        sig: "",
        view: 2,
      });
    });
    const recover = (known: { readonly previousCreateTxId?: string }) =>
      host.write((transaction) =>
        createGenesis(transaction, crypto, { ...recovery, ...known, createTxId: "4.67" }),
      );
    expect(() => recover({})).toThrow(/create txid/);
    recover({ previousCreateTxId: "2.9" });
    const service = host.read((transaction) => governanceTables.serviceInfo.get(transaction));
    expect(service).toMatchObject({ previous_service_identity_version: 9, recovery_count: 1 });
  });

  test.each([
    [
      { format: "OE_SGX_v1", measurement: "aa" } as const,
      "nodes.code_ids",
      { aa: '"AllowedToJoin"' },
    ],
    [
      {
        format: "AMD_SEV_SNP_v1",
        hostData: "bb",
        securityPolicy: "policy",
        uvmEndorsements: { did: "did:x509:x", feeds: { feed: { svn: "1" } } },
        minimumTcb: { cpuid: "00a00f11", policy: { snp: 1 } },
      } as const,
      "nodes.snp.uvm_endorsements",
      { "did:x509:x": '{"feed":{"svn":"1"}}' },
    ],
    [
      {
        format: "AMD_SEV_SNP_v1",
        measurement: "cc",
        hostData: "bb",
        securityPolicy: "",
      } as const,
      "nodes.snp.measurements",
      { cc: '"AllowedToJoin"' },
    ],
  ])("the platform of the first node is trusted", (platform, table, rows) => {
    const host = new GovernanceHost();
    const request = { ...genesisRequest(members, ""), platform };
    host.write((transaction) => createGenesis(transaction, crypto, request));
    expect(dump(host.store)[`public:ccf.gov.${table}`]).toEqual(rows);
  });
});
