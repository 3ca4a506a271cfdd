// Runs inside every page before the client's own code: keeps hold of the peer connections and
// looks at the pictures as they are shown. It changes nothing that the client does.
(() => {
  const peers = [];
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class RTCPeerConnection extends Native {
    constructor(...args) {
      super(...args);
      peers.push(this);
    }
  };

  // What the page captures, and the notes it plays.
  const captured = [];
  for (const method of ["getUserMedia", "getDisplayMedia"]) {
    const native = navigator.mediaDevices?.[method].bind(navigator.mediaDevices);
    if (!native) continue;
    navigator.mediaDevices[method] = async (...args) => {
      const stream = await native(...args);
      captured.push(...stream.getTracks());
      return stream;
    };
  }
  const captures = () => captured.filter((track) => track.readyState === "live").map((track) => track.kind);

  const notes = { played: 0 };
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...args) {
    notes.played += 1;
    return start.apply(this, args);
  };

  const violations = [];
  document.addEventListener("securitypolicyviolation", (event) => {
    // Firefox's name for code of the test itself; the policy allows the page no eval.
    if (event.sourceFile.endsWith("eval")) return;
    violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
  });

  const canvas = document.createElement("canvas");
  canvas.width = 32;
  canvas.height = 18;
  const pen = canvas.getContext("2d", { willReadFrequently: true });

  /** Returns the mean colour of what the video shows, or null while it shows nothing. */
  function picture(video) {
    if (video.readyState < 2 || video.videoWidth === 0 || !video.srcObject) return null;
    pen.drawImage(video, 0, 0, canvas.width, canvas.height);
    const data = pen.getImageData(0, 0, canvas.width, canvas.height).data;
    const sum = [0, 0, 0];
    for (let at = 0; at < data.length; at += 4) {
      for (let part = 0; part < 3; part += 1) sum[part] += data[at + part];
    }
    return { rgb: sum.map((part) => Math.round(part / (data.length / 4))), data };
  }

  /** Names a mean colour: one of the fake cameras, "changing" for Firefox's own, else "other". */
  function colourName(rgb, colours) {
    for (const [name, wanted] of Object.entries(colours)) {
      if (Math.hypot(...wanted.map((part, index) => part - rgb[index])) < 60) return name;
    }
    const brightness = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
    const range = Math.max(...rgb) - Math.min(...rgb);
    return brightness > 95 && brightness < 165 && range > 40 ? "changing" : "other";
  }

  /** The accessible name of a tile, by the two ways that a group can have one. */
  function nameOf(tile) {
    const by = tile.getAttribute("aria-labelledby");
    if (by)
      return by
        .split(/\s+/)
        .map((id) => document.getElementById(id)?.textContent ?? "")
        .join(" ")
        .trim();
    return tile.getAttribute("aria-label") ?? "";
  }

  const tiles = () => [...document.querySelectorAll('[role="group"]')].filter((tile) => nameOf(tile));

  const visible = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  };

  /** What is on the stage: per tile its name, text, and the pictures it shows. */
  function stage(colours) {
    return tiles()
      .filter(visible)
      .map((tile) => ({
        name: nameOf(tile),
        text: tile.innerText,
        pictures: [...tile.querySelectorAll("video")]
          .filter(visible)
          .map((video) => {
            const shown = picture(video);
            if (!shown) return null;
            return {
              rgb: shown.rgb,
              colour: colourName(shown.rgb, colours),
              moves: changed(video, shown.data),
              width: video.videoWidth,
              height: video.videoHeight,
              shownWidth: Math.round(video.getBoundingClientRect().width),
              shownHeight: Math.round(video.getBoundingClientRect().height),
            };
          })
          .filter(Boolean),
      }));
  }

  // What each video showed when it was last asked about, to tell a moving picture from a frozen one.
  const before = new WeakMap();
  function changed(video, data) {
    const old = before.get(video);
    before.set(video, data);
    if (!old) return false;
    let difference = 0;
    for (let at = 0; at < data.length; at += 1) difference += Math.abs(data[at] - old[at]);
    return difference / data.length > 0.2;
  }

  // Watching for a picture under the wrong name.
  const watched = { samples: 0, wrong: [] };
  function watch(expected, colours) {
    const known = new WeakSet();
    const look = (video) => {
      const tile = video.closest('[role="group"]');
      const wanted = tile && expected[nameOf(tile)];
      if (!wanted || !visible(video)) return;
      const shown = picture(video);
      if (!shown) return;
      watched.samples += 1;
      const colour = colourName(shown.rgb, colours);
      if (colour in colours && colour !== wanted) watched.wrong.push(`${colour} (${shown.rgb}) under ${nameOf(tile)}`);
    };
    const follow = (video) => {
      if (known.has(video)) return;
      known.add(video);
      const onFrame = () => {
        look(video);
        video.requestVideoFrameCallback(onFrame);
      };
      video.requestVideoFrameCallback(onFrame);
    };
    // A frame callback sees each new frame; the clock sees a standing one whose name changed.
    setInterval(() => {
      for (const video of document.querySelectorAll("video")) {
        follow(video);
        look(video);
      }
    }, 100);
  }

  /** The statistics of every open peer connection, as one flat list. */
  async function stats() {
    const rows = [];
    for (const peer of peers) {
      if (peer.connectionState === "closed") continue;
      for (const row of (await peer.getStats()).values()) rows.push({ ...row, peer: peers.indexOf(peer) });
    }
    return rows;
  }

  window.conclaveTest = { peers, violations, captures, notes, stage, watch, watched, stats };
})();
