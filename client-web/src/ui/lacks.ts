/** Words for why a picture is not there. */
import type { Lack } from "../core/slots";
import { m } from "../paraglide/messages.js";

export function lackText(lack: Lack): string {
  switch (lack) {
    case "bandwidth":
      return m.state_low_bandwidth();
    case "overload":
      return m.state_overload();
    case "codec":
      return m.state_codec();
    case "waiting":
      return m.state_waiting();
  }
}
