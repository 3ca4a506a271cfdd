const BYTES = 12;

/** Names a message so that it can be said again without being written twice: 96 random bits as base64url. */
export const clientId = (): string =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(BYTES))))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
