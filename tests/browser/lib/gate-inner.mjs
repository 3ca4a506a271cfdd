// The inner half of a gate: gate-inner.mjs SOCKET PORT. Writes a line when it listens.
import { createConnection, createServer } from "node:net";

/** The server's other address: a browser refuses a relay that takes it for somebody on the loopback. */
const SOURCE = "10.99.0.2";
const [path, port] = process.argv.slice(2);

createServer((outer) => {
  const server = createConnection({ port: Number(port), host: "127.0.0.1", localAddress: SOURCE });
  server.on("error", () => outer.destroy()).on("close", () => outer.destroy());
  outer.on("error", () => server.destroy()).on("close", () => server.destroy());
  outer.pipe(server).pipe(outer);
}).listen(path, () => console.log("listening"));
