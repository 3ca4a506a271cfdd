/**
 * One RTCPeerConnection with its fixed m-lines (protocol, section 16): four to send, then the video slots, then the
 * audio slots. It is never renegotiated but for ICE.
 */
import type { IceServer, MediaParameters, Rid, Source } from "../wire/messages";

/**
 * A screen has one encoding, which everybody who watches has to be able to receive. Still text is sharp at a fifth of
 * this; what moves gets fewer pictures a second.
 */
const SCREEN_BPS_MOST = 1_200_000;

export type IceReport = "connecting" | "connected" | "disconnected" | "failed";

export interface TransportHandlers {
  offer(sdp: string): void;
  ice(state: IceReport): void;
  failed(): void;
}

/** How the server may be reached. */
export interface Ways {
  iceServers: readonly IceServer[];
  relayOnly: boolean;
}

export class Transport {
  readonly generation: number;
  readonly #connection: RTCPeerConnection;
  readonly #handlers: TransportHandlers;
  readonly #relayOnly: boolean;
  readonly #sending: Readonly<Record<Source, RTCRtpTransceiver>>;
  readonly #streams = new Map<string, MediaStream>();
  /** Tracks and layers wait for the first answer: not every browser starts what was attached before it. */
  readonly #negotiated: Promise<void>;
  #settle: () => void = () => undefined;
  #layersSet: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(generation: number, media: MediaParameters, ways: Ways, handlers: TransportHandlers) {
    this.generation = generation;
    this.#handlers = handlers;
    this.#negotiated = new Promise((resolve) => (this.#settle = resolve));
    this.#relayOnly = ways.relayOnly;
    this.#connection = new RTCPeerConnection(this.#configuration(ways.iceServers));
    this.#sending = this.#addSending(media);
    for (let slot = 0; slot < media.video_slots; slot += 1) {
      narrow(this.#connection.addTransceiver("video", { direction: "recvonly" }), media.codecs);
    }
    for (let slot = 0; slot < media.audio_slots; slot += 1) {
      this.#connection.addTransceiver("audio", { direction: "recvonly" });
    }
    this.#connection.oniceconnectionstatechange = () => this.#reportIce();
    this.#connection.onconnectionstatechange = () => this.#reportIce();
    this.#offer({}).catch(() => this.#fail());
  }

  #configuration(iceServers: readonly IceServer[]): RTCConfiguration {
    return {
      bundlePolicy: "max-bundle",
      iceTransportPolicy: this.#relayOnly ? "relay" : "all",
      iceServers: iceServers.map(({ urls, username, credential }) => ({ urls, username, credential })),
    };
  }

  /** Takes other ways or a new credential: they count from the next restart of ICE on. */
  configure(iceServers: readonly IceServer[]): void {
    if (!this.#closed) this.#connection.setConfiguration(this.#configuration(iceServers));
  }

  #addSending(media: MediaParameters): Record<Source, RTCRtpTransceiver> {
    const connection = this.#connection;
    const microphone = connection.addTransceiver("audio", { direction: "sendonly" });
    const camera = connection.addTransceiver("video", {
      direction: "sendonly",
      sendEncodings: media.rids.map((one) => ({
        rid: one.rid,
        scaleResolutionDownBy: one.scale,
        maxBitrate: one.max_bps,
      })),
    });
    const screen = connection.addTransceiver("video", {
      direction: "sendonly",
      sendEncodings: [{ maxBitrate: SCREEN_BPS_MOST }],
    });
    const screenAudio = connection.addTransceiver("audio", { direction: "sendonly" });
    narrow(camera, media.codecs);
    narrow(screen, media.codecs);
    return { microphone, camera, screen, screen_audio: screenAudio };
  }

  async #offer(options: RTCOfferOptions): Promise<void> {
    const offer = await this.#connection.createOffer(options);
    await this.#connection.setLocalDescription(offer);
    const sdp = this.#connection.localDescription?.sdp;
    if (sdp !== undefined && !this.#closed) this.#handlers.offer(sdp);
  }

  /** Offers again with fresh ICE credentials, over `iceServers`; does nothing while an offer is pending. */
  restartIce(iceServers: readonly IceServer[]): void {
    if (this.#connection.signalingState !== "stable") return;
    this.configure(iceServers);
    this.#offer({ iceRestart: true }).catch(() => this.#fail());
  }

  async answer(sdp: string): Promise<void> {
    if (this.#closed) return;
    try {
      await this.#connection.setRemoteDescription({ type: "answer", sdp });
      this.#settle();
    } catch {
      this.#fail();
    }
  }

  /** Sends `track` on the m-line of `source`, or nothing. */
  async attach(source: Source, track: MediaStreamTrack | null): Promise<void> {
    await this.#negotiated;
    if (this.#closed) return;
    await this.#sending[source].sender.replaceTrack(track);
  }

  /** Sends only the encodings that somebody wants. Calls take turns: browsers refuse one while another is under way. */
  setLayers(source: Source, active: readonly Rid[]): Promise<void> {
    const done = this.#layersSet.then(() => this.#applyLayers(source, active));
    this.#layersSet = done.catch(() => undefined);
    return done;
  }

  async #applyLayers(source: Source, active: readonly Rid[]): Promise<void> {
    await this.#negotiated;
    if (this.#closed) return;
    const { sender } = this.#sending[source];
    const parameters = sender.getParameters();
    if (parameters.encodings.length < 2) return;
    for (const encoding of parameters.encodings) {
      encoding.active = encoding.rid === undefined || active.some((rid) => rid === encoding.rid);
    }
    await sender.setParameters(parameters);
  }

  /** What arrives on m-line `mid`; the same object every time, so that an element is not attached twice. */
  stream(mid: string): MediaStream | null {
    const known = this.#streams.get(mid);
    if (known !== undefined) return known;
    const transceiver = this.#connection.getTransceivers().find((one) => one.mid === mid);
    if (transceiver === undefined) return null;
    const stream = new MediaStream([transceiver.receiver.track]);
    this.#streams.set(mid, stream);
    return stream;
  }

  /** The rows of the statistics of this connection. */
  async stats(): Promise<Record<string, unknown>[]> {
    const rows: Record<string, unknown>[] = [];
    if (!this.#closed) (await this.#connection.getStats()).forEach((row: Record<string, unknown>) => rows.push(row));
    return rows;
  }

  close(): void {
    this.#closed = true;
    this.#connection.oniceconnectionstatechange = null;
    this.#connection.onconnectionstatechange = null;
    this.#connection.close();
  }

  #reportIce(): void {
    if (this.#closed) return;
    const { connectionState, iceConnectionState } = this.#connection;
    if (connectionState === "failed" && iceConnectionState !== "failed") {
      // DTLS broke: the server sends `media.reset`, or its silence ends in `disconnected`.
      return;
    }
    if (iceConnectionState === "connected" || iceConnectionState === "completed") {
      if (connectionState === "connected") this.#handlers.ice("connected");
    } else if (iceConnectionState === "disconnected" || iceConnectionState === "failed") {
      this.#handlers.ice(iceConnectionState);
    } else this.#handlers.ice("connecting");
  }

  #fail(): void {
    if (!this.#closed) this.#handlers.failed();
  }
}

/** Keeps the codecs of the room, in its order, and their retransmission: a third of the default offer. */
function narrow(transceiver: RTCRtpTransceiver, codecs: readonly string[]): void {
  const capabilities = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
  const wanted = codecs.flatMap((codec) => capabilities.filter((one) => isCodec(one, codec)));
  if (wanted.length === 0) return;
  transceiver.setCodecPreferences([...wanted, ...capabilities.filter((one) => /\/rtx$/i.test(one.mimeType))]);
}

/** H.264 only as constrained baseline in packetization mode 1: every browser has it, and the server forwards it. */
function isCodec(capability: RTCRtpCodec, codec: string): boolean {
  if (capability.mimeType.toLowerCase() !== `video/${codec}`) return false;
  if (codec !== "h264") return true;
  const parameters = capability.sdpFmtpLine ?? "";
  return /packetization-mode=1/.test(parameters) && /profile-level-id=42[ce]0/i.test(parameters);
}
