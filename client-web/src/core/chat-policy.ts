/** Who may write, in one word: four modes, and two rare mixtures that can be set elsewhere. */
import type { ChatPolicy } from "../wire/messages";

export type ChatMode = "off" | "hosts_only" | "to_hosts" | "all" | "private_only" | "hosts_private";
type Pair = Pick<ChatPolicy, "public" | "private">;

export function chatModeOf(policy: Pair): ChatMode {
  switch (policy.public) {
    case "all":
      return "all";
    case "off":
      return policy.private === "off" ? "off" : "private_only";
    case "hosts":
      if (policy.private === "off") return "hosts_only";
      return policy.private === "hosts" ? "to_hosts" : "hosts_private";
  }
}

/** Returns what a mode means; private messages stay as they are where it says nothing about them. */
export function policyOf(mode: ChatMode, present: Pair): Pair {
  switch (mode) {
    case "off":
      return { public: "off", private: "off" };
    case "hosts_only":
      return { public: "hosts", private: "off" };
    case "to_hosts":
      return { public: "hosts", private: "hosts" };
    case "all":
      // Whoever switches the chat on again means to have what is usual.
      return {
        public: "all",
        private: present.public !== "all" && present.private === "off" ? "hosts" : present.private,
      };
    case "private_only":
    case "hosts_private":
      return { public: present.public, private: present.private };
  }
}
