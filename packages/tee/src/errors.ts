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
  EndorsementsMissing: {
    number: 4018,
    title: "The evidence comes without the vendor's certificates",
    next: "Fetch the certificates of this machine from the vendor and give them with the evidence",
  },
  HardwareMismatch: {
    number: 4019,
    title: "The certificate belongs to another machine",
    next: "Fetch the certificate of the machine that made the evidence",
  },
  EndorsedTcbMismatch: {
    number: 4020,
    title: "The certificate is for another firmware version than the evidence",
    next: "Fetch the certificate for the TCB version that the evidence reports",
  },
  SigningKeyNotAllowed: {
    number: 4021,
    title: "The evidence is signed with a kind of key that is not allowed",
    next: "Allow this kind of signing key in the policy, or use a machine with another one",
  },
  EvidenceVersionTooOld: {
    number: 4022,
    title: "The evidence has an older version than the members allow",
    next: "Update the firmware of the machine",
  },
  CollateralMissing: {
    number: 4023,
    title: "The vendor's collateral for this evidence is missing",
    next: "Fetch TCB info, identity of the quoting enclave and revocation lists from the vendor",
  },
  CollateralMalformed: {
    number: 4024,
    title: "The vendor's collateral cannot be read",
    next: "Fetch the collateral again and give it unchanged",
  },
  CollateralIssuerInvalid: {
    number: 4025,
    title: "The signer of the collateral does not lead to a pinned vendor root",
    next: "Fetch the collateral from the vendor again",
  },
  TcbInfoInvalid: {
    number: 4026,
    title: "The TCB info is not what the vendor signed, or not for this machine",
    next: "Fetch the TCB info for the FMSPC in the facts again",
  },
  TcbInfoExpired: {
    number: 4027,
    title: "The TCB info is not valid at this time",
    next: "Fetch current TCB info; check the clock of the node",
  },
  QeIdentityInvalid: {
    number: 4028,
    title: "The identity of the quoting enclave is not what the vendor signed",
    next: "Fetch the identity of the quoting enclave again",
  },
  QeIdentityExpired: {
    number: 4029,
    title: "The identity of the quoting enclave is not valid at this time",
    next: "Fetch the current identity; check the clock of the node",
  },
  RootCrlInvalid: {
    number: 4030,
    title: "The root's revocation list is not what the vendor signed",
    next: "Fetch the revocation list of the vendor's root again",
  },
  RootCrlExpired: {
    number: 4031,
    title: "The root's revocation list is not valid at this time",
    next: "Fetch the current revocation list; check the clock of the node",
  },
  PckCrlInvalid: {
    number: 4032,
    title: "The revocation list of platform keys is not what the vendor signed",
    next: "Fetch the revocation list of the issuer that signed the platform key again",
  },
  PckCrlExpired: {
    number: 4033,
    title: "The revocation list of platform keys is not valid at this time",
    next: "Fetch the current revocation list; check the clock of the node",
  },
  CollateralTooOld: {
    number: 4034,
    title: "The collateral belongs to an older evaluation than the members allow",
    next: "Fetch current collateral from the vendor",
  },
  TcbLevelUnknown: {
    number: 4035,
    title: "The vendor lists no TCB level that this machine reaches",
    next: "Update the firmware and microcode of the machine",
  },
  QuotingEnclaveNotTrusted: {
    number: 4036,
    title: "The quoting enclave is not the one that the vendor publishes",
    next: "Install the vendor's quoting enclave",
  },
  UvmEndorsementInvalid: {
    number: 4037,
    title: "The endorsement of the utility VM is not signed by the issuer that it names",
    next: "Collect the reference information of the utility VM again",
  },
  UvmMeasurementMismatch: {
    number: 4038,
    title: "The endorsement is for another utility VM than the one that runs",
    next: "Collect the reference information of the running utility VM",
  },
  SecurityPolicyMismatch: {
    number: 4039,
    title: "The security policy is not the one that the machine enforces",
    next: "Give the policy with which the container group was started",
  },
  VariableDataMismatch: {
    number: 4040,
    title: "The report does not vouch for the keys of the virtual TPM",
    next: "Collect fresh evidence; if it happens again the host is not to be trusted",
  },
  TpmQuoteInvalid: {
    number: 4041,
    title: "The quote of the TPM is not signed by the attested key, or not of its registers",
    next: "Collect fresh evidence on the node and send it unchanged",
  },
  NonceMissing: {
    number: 4042,
    title: "The evidence carries no challenge, so it could be old",
    next: "Collect evidence with the verifier's challenge",
  },
  TokenInvalid: {
    number: 4043,
    title: "The attestation token is not signed by its issuer",
    next: "Get a new token from the attestation service",
  },
  TokenExpired: {
    number: 4044,
    title: "The attestation token is not valid at this time",
    next: "Get a new token from the attestation service; check the clock",
  },
  TokenIssuerNotTrusted: {
    number: 4045,
    title: "The signing keys of the token's issuer are not among the trusted ones",
    next: "Give the keys of the attestation service that the members trust",
  },
  BootLogInvalid: {
    number: 4046,
    title: "The measured-boot log does not lead to the registers that the TPM quoted",
    next: "Collect the log and the quote of the same boot",
  },
  BootStateRefused: {
    number: 4047,
    title: "The machine was started in a state that exposes secrets",
    next: "Change the boot setting that the failed check names and restart",
  },
  ReportKeyMismatch: {
    number: 4048,
    title: "The report is not signed by the identity key of this boot",
    next: "Collect report, log and quote of the same boot",
  },
  PolicyMalformed: {
    number: 4049,
    title: "The policy cannot be read",
    next: "Correct the rule that the message names",
  },
});

/** Codes with which evidence is refused. */
export type TeeErrorCode = keyof typeof teeErrors.descriptions;
