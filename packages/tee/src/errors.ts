/** Errors of the tee room: 4000 to 4099. A closed union: every refusal of evidence has one. */
import { defineErrors } from "@coco/base";

export const teeErrors = defineErrors("tee", {
  EvidenceMalformed: {
    number: 4001,
    title: "The attestation evidence cannot be read",
    next: "Collect fresh evidence on the node and send it unchanged",
  },
  EvidenceFormatUnsupported: {
    number: 4002,
    title: "No verifier knows the format of the attestation evidence",
    next: "Use a platform that this service verifies, or upgrade its nodes",
  },
  EvidenceSignatureInvalid: {
    number: 4003,
    title: "The signature of the attestation evidence is wrong",
    next: "Collect fresh evidence; if it happens again the host is not to be trusted",
  },
  EndorsementsInvalid: {
    number: 4004,
    title: "The endorsements do not lead to a pinned vendor root",
    next: "Fetch the endorsements for this machine from the vendor again",
  },
  EndorsementsExpired: {
    number: 4005,
    title: "The endorsements are not valid at this time",
    next: "Fetch current endorsements; check the clock of the node",
  },
  EndorsementsRevoked: {
    number: 4006,
    title: "The vendor has revoked a key of this machine",
    next: "Take the machine out of service and update its firmware",
  },
  DebugEnabled: {
    number: 4007,
    title: "The enclave or virtual machine can be debugged from outside",
    next: "Start it without debug mode",
  },
  ConfigurationRefused: {
    number: 4008,
    title: "The platform runs with a setting that exposes secrets",
    next: "Change the setting that the failed check names",
  },
  PlatformNotAllowed: {
    number: 4009,
    title: "The members have not allowed this platform",
    next: "Propose a measurement for this platform, or join from an allowed one",
  },
  MeasurementNotTrusted: {
    number: 4010,
    title: "The members have not approved this code",
    next: "Propose the measurement of the new code and have it accepted, then join again",
  },
  HostDataNotTrusted: {
    number: 4011,
    title: "The members have not approved this host data",
    next: "Propose the host data (security policy digest) and have it accepted, then join again",
  },
  UvmEndorsementNotTrusted: {
    number: 4012,
    title: "The members have not approved this utility VM endorsement",
    next: "Propose its issuer, feed and security version, then join again",
  },
  CpuNotTrusted: {
    number: 4013,
    title: "The members have set no minimum TCB version for this CPU",
    next: "Propose a minimum TCB version for the CPUID in the facts",
  },
  TcbTooOld: {
    number: 4014,
    title: "The firmware of the machine is older than the members allow",
    next: "Update the firmware and microcode of the machine",
  },
  ReportDataMismatch: {
    number: 4015,
    title: "The evidence was made for another key or another challenge",
    next: "Collect evidence for the key that the node presents, with the current challenge",
  },
  ProductDenied: {
    number: 4016,
    title: "The members refuse this CPU product",
    next: "Join from a machine with another CPU product",
  },
  HardwareNotAllowed: {
    number: 4017,
    title: "The members have not allowed this particular machine",
    next: "Propose the hardware identity of the machine, then join again",
  },
});

/** Codes with which evidence is refused. */
export type TeeErrorCode = keyof typeof teeErrors.descriptions;
