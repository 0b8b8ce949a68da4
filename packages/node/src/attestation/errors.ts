/** Errors of collecting evidence and endorsements: 7600 to 7699. */
import { defineErrors } from "@coco/base";

export const attestationErrors = defineErrors("node", {
  PlatformNotFound: {
    number: 7600,
    title: "No trusted execution environment was found here",
    next: "Start the node inside SGX, SEV-SNP or TDX, or set attestation.platform to Virtual",
  },
  PlatformMismatch: {
    number: 7601,
    title: "The configured platform is not the one the node runs on",
    next: "Set attestation.platform to what was found, or start the node on the configured one",
  },
  DeviceFailed: {
    number: 7602,
    title: "A file of the attestation device cannot be used",
    next: "Mount it into the container and give the node's user permission to read and write it",
  },
  DeviceAnswerMalformed: {
    number: 7603,
    title: "The attestation device gave an answer of unknown form",
    next: "Update firmware and kernel to a version that the release notes name",
  },
  KernelTooOld: {
    number: 7604,
    title: "The kernel offers SNP reports only by a call that the node cannot make",
    next: "Use Linux 6.7 or later with CONFIG_TSM_REPORTS and mount configfs at /sys/kernel/config",
  },
  ReportDataInvalid: {
    number: 7605,
    title: "The report data does not fit the platform",
    next: "Give 64 bytes; where a TPM or a sidecar is in between, bind a digest of 32 bytes",
  },
  EvidenceChanged: {
    number: 7606,
    title: "Another program used the attestation device at the same time, again and again",
    next: "Stop the other program, or start the node again",
  },
  GramineAttestationOff: {
    number: 7607,
    title: "Gramine was not told to attest",
    next: 'Set sgx.remote_attestation = "dcap" in the manifest, and sign it again',
  },
  TpmFailed: {
    number: 7608,
    title: "The virtual TPM refused a command",
    next: "Check that this is an Azure confidential virtual machine and that the TPM is enabled",
  },
  AttestationKeyForeign: {
    number: 7609,
    title: "The TPM's attestation key is not the one that the hardware report vouches for",
    next: "Deploy the virtual machine again: its attestation key was replaced",
  },
  SidecarFailed: {
    number: 7610,
    title: "The attestation sidecar gave no report",
    next: "Add the confidential sidecar to the container group, listening on port 8080",
  },
  SidecarNeedsPreimage: {
    number: 7611,
    title: "The sidecar hashes what it is given, so the report data cannot be chosen freely",
    next: "Give the bytes whose SHA-256 is the report data, and zeros as its second half",
  },
  EvidenceNotGenuine: {
    number: 7612,
    title: "The evidence collected here does not pass the node's own verification",
    next: "Check that the hardware is real and that its firmware and endorsements are current",
  },
  EvidenceForeign: {
    number: 7613,
    title: "The evidence collected here is about other report data than was asked for",
    next: "Look for a fake or shared attestation service: this evidence must not be used",
  },
  VsmOutOfReach: {
    number: 7614,
    title: "A Node process cannot attest itself by Windows VSM",
    next: "Install the signed enclave with its helper program and name the helper in the options",
  },
  VsmHelperFailed: {
    number: 7615,
    title: "The helper program of the VBS enclave failed",
    next: "Run the helper by hand with 128 hexadecimal digits and see what it says",
  },
  EndorsementsUnavailable: {
    number: 7616,
    title: "No source has endorsements for this hardware",
    next: "Allow the node to reach one of the sources, or put a bundle into the offline directory",
  },
  EndorsementsUnfit: {
    number: 7617,
    title: "A source answered with endorsements that do not fit",
    next: "Update the source: it may hold what was right before an update of the firmware",
  },
  HttpFailed: {
    number: 7618,
    title: "An HTTP request for evidence or endorsements failed",
    next: "Check address, firewall and proxy; the node tries again when evidence is next needed",
  },
  SealingKeyInvalid: {
    number: 7619,
    title: "The enclave has no such sealing key",
    next: "Name a key that the manifest declares, such as _sgx_mrsigner",
  },
});
