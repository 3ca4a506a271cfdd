// The browsers: one process per camera colour, kept for the tests of one file.
import { after } from "node:test";
import { chromium, firefox } from "playwright-core";
import { cameraFile } from "./camera.mjs";

/** Whether Firefox can have media here; see run.sh. */
export const hasFirefox = process.env.CONCLAVE_TEST_FIREFOX === "1";
/** For the `skip` of a test. */
export const withoutFirefox = hasFirefox ? false : "Firefox needs a network namespace, that is root";

const CHROMIUM_FLAGS = [
  "--no-sandbox",
  // The contexts ignore the certificate of --dev for pages; the connections to a relay ask the process.
  "--ignore-certificate-errors",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-device-for-media-stream",
];

// Firefox's own fake camera: a picture that walks through the hues, and a steady tone.
const FIREFOX_PREFS = {
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.autoplay.default": 0,
  "datareporting.policy.dataSubmissionEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
};

const FIREFOX = {
  // WebDriver BiDi with the distribution's Firefox.
  channel: "moz-firefox",
  executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
  headless: true,
  firefoxUserPrefs: FIREFOX_PREFS,
};

const running = new Map();

after(async () => {
  await Promise.all([...running.values()].map(async (browser) => (await browser).close()));
});

/**
 * Returns a running browser: `kind` is a colour (Chromium with that camera), `plain` (Chromium with
 * its own fake camera of any size), `denied` (Chromium whose user refuses every device), `firefox` or
 * `trusting-firefox`, one process per context, which takes the certificate of --dev for a relay too.
 */
export function browser(kind) {
  if (!running.has(kind)) running.set(kind, launch(kind));
  return running.get(kind);
}

function launch(kind) {
  if (kind === "firefox") return firefox.launch(FIREFOX);
  if (kind === "trusting-firefox") {
    // A context of its own trusts for pages only, a session for whatever the process does.
    const newContext = (options) => firefox.launchPersistentContext("", { ...FIREFOX, ...options });
    return { newContext, close: async () => {} };
  }
  const args = [...CHROMIUM_FLAGS];
  args.push(kind === "denied" ? "--use-fake-ui-for-media-stream=deny" : "--use-fake-ui-for-media-stream");
  if (kind !== "plain" && kind !== "denied") args.push(`--use-file-for-fake-video-capture=${cameraFile(kind)}`);
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args });
}
