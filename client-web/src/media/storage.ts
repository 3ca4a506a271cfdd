/** What is remembered in this browser. Everything works, for one page, when storage is blocked. */
const memory = new Map<string, string>();

type Area = "local" | "session";

function area(which: Area): Storage | null {
  try {
    return which === "local" ? localStorage : sessionStorage;
  } catch {
    return null;
  }
}

export function read(which: Area, key: string): string | null {
  const name = `conclave.${key}`;
  try {
    return area(which)?.getItem(name) ?? memory.get(name) ?? null;
  } catch {
    return memory.get(name) ?? null;
  }
}

export function write(which: Area, key: string, value: string | null): void {
  const name = `conclave.${key}`;
  if (value === null) memory.delete(name);
  else memory.set(name, value);
  try {
    if (value === null) area(which)?.removeItem(name);
    else area(which)?.setItem(name, value);
  } catch {
    // Full or blocked: the copy in memory serves this page.
  }
}

export function readJson<T>(which: Area, key: string, valid: (value: unknown) => value is T): T | null {
  const text = read(which, key);
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    return valid(value) ? value : null;
  } catch {
    return null;
  }
}

const KEY_BYTES = 16;

/** The bearer secret of this browser at this server: 128 random bits as base64url. */
export function deviceKey(): string {
  const known = read("local", "device_key");
  if (known !== null && /^[\w-]{22}$/.test(known)) return known;
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  const key = btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
  write("local", "device_key", key);
  return key;
}
