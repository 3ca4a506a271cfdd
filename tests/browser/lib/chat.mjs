// The chat as somebody in front of the page meets it.

export class Chat {
  #page;
  #participant;

  constructor(participant) {
    this.#participant = participant;
    this.#page = participant.page;
  }

  get panel() {
    return this.#page.getByRole("complementary", { name: "Chat", exact: true });
  }
  get log() {
    return this.panel.getByRole("log", { name: "Messages" });
  }
  get box() {
    return this.panel.getByRole("textbox", { name: "Message", exact: true });
  }
  get to() {
    return this.panel.getByRole("combobox", { name: "To" });
  }
  get unread() {
    return this.#page.locator("[data-unread]");
  }

  async open() {
    await this.#participant.setPressed("Chat", true);
    await this.log.waitFor();
    return this;
  }
  async close() {
    await this.#participant.setPressed("Chat", false);
    await this.panel.waitFor({ state: "detached" });
  }

  /** Writes a message to who is chosen. */
  async write(text) {
    await this.box.fill(text);
    await this.panel.getByRole("button", { name: "Send" }).click();
  }

  /** Writes to `whom`, as the list of recipients calls it. */
  async writeTo(whom, text) {
    await this.to.selectOption({ label: whom });
    await this.write(text);
  }

  /** The message that has this text. */
  message(text) {
    return this.log.getByRole("article").filter({ hasText: text });
  }
  async reads(text) {
    await this.message(text).last().waitFor();
  }

  /** Chooses `item` of the menu of the message with this text. */
  async choose(text, item) {
    const message = this.message(text).last();
    await message.hover();
    await message.getByRole("button", { name: /^Actions for/ }).click();
    const menu = this.#page.getByRole("menu", { name: /^Actions for/ });
    await menu.getByRole(/^React/.test(item) ? "menuitemcheckbox" : "menuitem", { name: item, exact: true }).click();
  }
}
