// Links with a join token that another site has signed.
import assert from "node:assert/strict";
import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { meeting, QUIET, sharedServer } from "./lib/meeting.mjs";

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const FILE = `
[[embedders]]
issuer = "https://school.example"
kid = "school"
public_key = "${publicKey.export({ format: "jwk" }).x}"
role = "presenter"
rooms = ["*"]
`;
const server = sharedServer({}, FILE);

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Returns a link that lets one person into `room` once. */
function link(here, room, claims) {
  const now = Math.floor(Date.now() / 1000);
  const [aud, jti] = [new URL(here.server.link()).origin, randomUUID()];
  const whole = { iss: "https://school.example", aud, iat: now, exp: now + 120, jti, room: room.slug, ...claims };
  const signed = `${encode({ alg: "EdDSA", kid: "school" })}.${encode(whole)}`;
  const jwt = `${signed}.${sign(null, Buffer.from(signed), privateKey).toString("base64url")}`;
  return `${room.guest_link}#t=${jwt}`;
}

meeting("who comes by a signed link is in under the name that the site gave, once", { server }, async (here) => {
  const room = await here.room("school", "start_without_host=true");
  const grace = await here.somebody("Grace Hopper", "red");
  const hers = link(here, room, { role: "presenter", name: "Grace Hopper" });
  await grace.open(hers);
  await grace.nameBox.fill("Somebody else");
  assert.equal(new URL(grace.page.url()).hash, "", "the token is not left in the address");
  await grace.button("Join").click();
  await grace.inRoom();
  const ada = await here.joined("Ada", "blue", {
    link: link(here, room, { role: "attendee", name: "Ada" }),
    devices: QUIET,
  });
  await ada.seesExactly("Grace Hopper");
  await here.shot(ada, "verified");

  const thief = await here.somebody("Bob", "blue");
  await thief.open(hers);
  await thief.nameBox.fill("Bob");
  await thief.button("Join").click();
  await thief.reads(/not valid/);
  await here.shot(thief, "used");
});
