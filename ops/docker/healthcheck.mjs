// Ends with 0 when the node serves governance, which it does before the service is open too.
// The address and the file of the service certificate can be set from outside.
import { readFileSync } from "node:fs";
import { get } from "node:https";

const url = process.env.COCO_HEALTH_URL ?? "https://127.0.0.1:8080/node/ready/gov";
const certificate = process.env.COCO_HEALTH_CERT ?? "/var/lib/coco/public/service_cert.pem";

const request = get(url, { ca: readFileSync(certificate), timeout: 4000 }, (response) => {
  process.exit(response.statusCode === 204 ? 0 : 1);
});
request.on("timeout", () => request.destroy(new Error("no answer in time")));
request.on("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
