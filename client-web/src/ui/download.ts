/** Hands a file to the browser's downloads. */
import type { ChatFormat } from "../wire/messages";

const TYPES: Readonly<Record<ChatFormat, string>> = {
  jsonl: "application/x-ndjson",
  txt: "text/plain",
  csv: "text/csv",
};
/** The browser has read the file by then. */
const READ_MS = 60_000;

export function saveFile(file: { format: ChatFormat; text: string }): void {
  saveText(`chat-${new Date().toISOString().slice(0, 10)}.${file.format}`, TYPES[file.format], file.text);
}

/** Saves a text under a name of our own. */
export function saveText(name: string, type: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), READ_MS);
}
