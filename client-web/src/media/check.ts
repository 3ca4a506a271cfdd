/** Tries one way to the relay: whether the browser gets an address there. Nothing is captured or sent to anybody. */
import type { IceServer } from "../wire/messages";

/** An answer takes some 50 ms, with TLS some round trips more; browsers repeat a lost packet well within this time. */
const PATIENCE_MS = 5_000;

/** Returns whether `url` leads to the relay; no after {@link PATIENCE_MS}, and once `signal` aborts. */
export async function reaches(server: IceServer, url: string, signal: AbortSignal): Promise<boolean> {
  const { username, credential } = server;
  const connection = new RTCPeerConnection({
    iceTransportPolicy: "relay",
    iceServers: [{ urls: [url], username, credential }],
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const found = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), PATIENCE_MS);
    signal.addEventListener("abort", () => resolve(false), { once: true });
    connection.onicecandidate = ({ candidate }) => {
      if (candidate?.type === "relay") resolve(true);
    };
    connection.onicegatheringstatechange = () => {
      if (connection.iceGatheringState === "complete") resolve(false);
    };
  });
  try {
    // Without anything to carry, nothing is gathered.
    connection.createDataChannel("");
    await connection.setLocalDescription(await connection.createOffer());
    return await found;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
    connection.close();
  }
}
