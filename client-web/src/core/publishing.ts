/**
 * The own tracks: what the user wants, what is captured, what the server knows.
 *
 * Two rules. What the user switches off is off on this device at once, whatever the network does. What leaves the
 * device was asked for first: a track is attached to its m-line only after the server said ok.
 */
import type { Permission, Request, Source, Sources } from "../wire/messages";
import type { Effect } from "./state";

export type Capture = "none" | "starting" | "running";

export type Publication =
  { kind: "off" } | { kind: "asking" } | { kind: "live"; muted: boolean; telling: boolean } | { kind: "stopping" };

export interface OwnSource {
  wanted: boolean;
  capture: Capture;
  publication: Publication;
}

export interface Publishing {
  /** Whether the user asked to see and hear himself before joining. */
  preview: boolean;
  sources: Readonly<Record<Source, OwnSource>>;
}

/** Sending m-lines, in the order in which the client offers them (protocol, section 16). */
export const SENDING_MIDS: Readonly<Record<Source, number>> = { microphone: 0, camera: 1, screen: 2, screen_audio: 3 };
export const SOURCES: readonly Source[] = ["microphone", "camera", "screen", "screen_audio"];
const DEVICES = ["microphone", "camera"] as const;

export const PERMISSION: Readonly<Record<Source, Permission>> = {
  microphone: "publish.audio",
  camera: "publish.video",
  screen: "publish.screen",
  screen_audio: "publish.screen_audio",
};

const idle: OwnSource = { wanted: false, capture: "none", publication: { kind: "off" } };

export function nothingPublished(wants: { microphone: boolean; camera: boolean }): Publishing {
  return {
    preview: false,
    sources: {
      microphone: { ...idle, wanted: wants.microphone },
      camera: { ...idle, wanted: wants.camera },
      screen: idle,
      screen_audio: idle,
    },
  };
}

/** Where the meeting stands, as far as the own tracks care. */
export interface Ground {
  /** In the meeting, or on the way in: devices may run. */
  entered: boolean;
  /** The server listens, and the peer connection is negotiated. */
  reachable: boolean;
  permissions: ReadonlySet<Permission>;
}

export interface PublishingStep {
  publishing: Publishing;
  effects: Effect[];
}

export function update(publishing: Publishing, source: Source, change: Partial<OwnSource>): Publishing {
  const own = { ...publishing.sources[source], ...change };
  return { ...publishing, sources: { ...publishing.sources, [source]: own } };
}

/** Brings devices, m-lines and the server in line with what the user wants. Returns its input when they are. */
export function reconcile(before: Publishing, ground: Ground): PublishingStep {
  let publishing = before;
  const effects: Effect[] = [];
  const starting: ("microphone" | "camera")[] = [];

  for (const source of DEVICES) {
    const own = publishing.sources[source];
    const allowed = ground.permissions.size === 0 || ground.permissions.has(PERMISSION[source]);
    const wanted = own.wanted && allowed && (ground.entered || publishing.preview);
    if (wanted && own.capture === "none") {
      starting.push(source);
      publishing = update(publishing, source, { capture: "starting" });
    }
    // A muted microphone stays open, so that it answers at once; an unwanted camera turns its light off.
    const keep = source === "microphone" && ground.entered && allowed;
    if (!wanted && own.capture === "running" && !keep) {
      effects.push({ kind: "detach", source }, { kind: "release", source });
      publishing = update(publishing, source, { capture: "none" });
    }
  }
  if (starting.length > 0) effects.push({ kind: "capture", sources: starting });

  if (ground.reachable) {
    for (const source of SOURCES) {
      const [own, request] = talk(source, publishing.sources[source], ground.permissions.has(PERMISSION[source]));
      if (request === null) continue;
      publishing = update(publishing, source, own);
      effects.push({ kind: "request", request });
    }
  }
  return { publishing, effects };
}

function talk(source: Source, own: OwnSource, allowed: boolean): [OwnSource, Request | null] {
  const { publication, capture, wanted } = own;
  const sending = wanted && capture === "running";
  switch (publication.kind) {
    case "off":
      if (!sending || !allowed) return [own, null];
      return [
        { ...own, publication: { kind: "asking" } },
        { type: "media.publish", data: { mid: String(SENDING_MIDS[source]), source, muted: false } },
      ];
    case "live": {
      if (publication.telling) return [own, null];
      if (source === "screen" || source === "screen_audio") {
        if (sending) return [own, null];
        return [
          { ...own, publication: { kind: "stopping" } },
          { type: "media.unpublish", data: { source } },
        ];
      }
      if (publication.muted === !sending) return [own, null];
      return [
        { ...own, publication: { ...publication, telling: true } },
        { type: "track.state", data: { source, muted: !sending } },
      ];
    }
    default:
      return [own, null];
  }
}

/** Takes the server's yes to a request about a publication. */
export function confirmed(publishing: Publishing, request: Request): PublishingStep {
  switch (request.type) {
    case "media.publish": {
      const { source } = request.data;
      const live: Publication = { kind: "live", muted: false, telling: false };
      return {
        publishing: update(publishing, source, { publication: live }),
        effects: attachIfWanted(publishing, source),
      };
    }
    case "track.state": {
      const { source, muted } = request.data;
      const live: Publication = { kind: "live", muted, telling: false };
      return {
        publishing: update(publishing, source, { publication: live }),
        effects: muted ? [] : attachIfWanted(publishing, source),
      };
    }
    case "media.unpublish":
      return { publishing: update(publishing, request.data.source, { publication: { kind: "off" } }), effects: [] };
    default:
      return { publishing, effects: [] };
  }
}

function attachIfWanted(publishing: Publishing, source: Source): Effect[] {
  const own = publishing.sources[source];
  return own.wanted && own.capture === "running" ? [{ kind: "attach", source }] : [];
}

/** Takes the server's no: what cannot be sent is not captured either. */
export function refused(publishing: Publishing, source: Source): PublishingStep {
  return stop(update(publishing, source, { publication: { kind: "off" } }), source);
}

/** Switches a source off on this device at once. */
export function stop(publishing: Publishing, source: Source): PublishingStep {
  const own = publishing.sources[source];
  const release: Effect[] =
    own.capture === "running"
      ? [
          { kind: "detach", source },
          { kind: "release", source },
        ]
      : [];
  return { publishing: update(publishing, source, { wanted: false, capture: "none" }), effects: release };
}

/** Switches the own screen off, and its sound with it. */
export function stopScreen(publishing: Publishing): PublishingStep {
  const picture = stop(publishing, "screen");
  const sound = stop(picture.publishing, "screen_audio");
  return { publishing: sound.publishing, effects: [...picture.effects, ...sound.effects] };
}

/** Switches off what may not be sent. A right that comes back later switches nothing on by itself. */
export function obey(publishing: Publishing, permissions: ReadonlySet<Permission>): PublishingStep {
  let result = publishing;
  const effects: Effect[] = [];
  for (const source of SOURCES) {
    const own = result.sources[source];
    if (permissions.has(PERMISSION[source]) || (!own.wanted && own.capture === "none")) continue;
    const stopped = stop(result, source);
    result = stopped.publishing;
    effects.push(...stopped.effects);
  }
  return { publishing: result, effects };
}

/** Forgets requests whose answers went down with the link; they are made again when it is back. */
export function linkLost(publishing: Publishing): Publishing {
  let result = publishing;
  for (const source of SOURCES) {
    const { publication } = result.sources[source];
    if (publication.kind === "asking") result = update(result, source, { publication: { kind: "off" } });
    else if (publication.kind === "stopping" || (publication.kind === "live" && publication.telling)) {
      const muted = publication.kind === "live" && publication.muted;
      result = update(result, source, { publication: { kind: "live", muted, telling: false } });
    }
  }
  return result;
}

/** Forgets all publications: the server gave up the participant, or the page was loaded anew. */
export function unpublished(publishing: Publishing): Publishing {
  return SOURCES.reduce((result, source) => update(result, source, { publication: { kind: "off" } }), publishing);
}

/**
 * Takes over what the server kept of this participant while the page was loaded anew. What is not captured here by
 * then is muted, and a screen, which only a gesture can share, is ended.
 */
export function adopted(publishing: Publishing, kept: Sources): Publishing {
  return SOURCES.reduce((result, source) => {
    const state = kept[source];
    const live: Publication = { kind: "live", muted: state?.muted === true, telling: false };
    return update(result, source, { publication: state?.published === true ? live : { kind: "off" } });
  }, publishing);
}

/** The tracks to attach to a new peer connection whose publications the server kept. */
export function reattach(publishing: Publishing): Effect[] {
  return SOURCES.filter((source) => {
    const { publication } = publishing.sources[source];
    return publication.kind === "live" && !publication.muted;
  }).flatMap((source) => attachIfWanted(publishing, source));
}
