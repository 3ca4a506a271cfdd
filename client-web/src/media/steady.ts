/**
 * Keeps a hidden page's timers from being slowed down to one tick a minute: the lobby takes somebody who is silent for
 * 25 s for gone.
 *
 * Chromium spares pages that hold a data channel; it need not lead anywhere, and nothing is sent. A worker would keep
 * its pace in every browser, but the policy of the page admits no address of a script that is made at run time.
 * Firefox spares a page with an open WebSocket.
 */
export class Steady {
  #connection: RTCPeerConnection | null = null;
  /** Held, as a channel that nobody holds may be collected. */
  #channel: RTCDataChannel | null = null;

  /** Begins or ends to hold the channel. */
  hold(on: boolean): void {
    if (!on) return this.close();
    if (this.#channel !== null || typeof RTCPeerConnection === "undefined") return;
    // Without relays it gathers no candidate: nothing leaves this device.
    this.#connection = new RTCPeerConnection({ iceTransportPolicy: "relay" });
    this.#channel = this.#connection.createDataChannel("");
    // It counts once it has an offer. Closed before that, it has nothing to do any more.
    this.#connection.setLocalDescription().catch(() => undefined);
  }

  close(): void {
    this.#channel?.close();
    this.#connection?.close();
    this.#channel = null;
    this.#connection = null;
  }
}
