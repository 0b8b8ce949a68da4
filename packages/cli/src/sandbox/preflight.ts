/** What can be known before a node starts: is the port free, may we listen there. */
import { createServer } from "node:net";
import { cliErrors } from "../errors.ts";

/** @throws {CocoError} PortInUse, AddressUnavailable */
export async function checkPort(host: string, port: number): Promise<void> {
  if (port > 65_535) {
    throw cliErrors.create("Usage", `port ${port} is above 65535`);
  }
  await new Promise<void>((resolve, reject) => {
    const server = createServer();
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const code = cause.code === "EADDRINUSE" ? "PortInUse" : "AddressUnavailable";
      reject(cliErrors.create(code, `${host}:${port} (${cause.code})`, { port }, cause));
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  });
}
