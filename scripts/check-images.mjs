// Checks docker/ for what can be wrong without a container engine.
//
//   Dockerfile: base images have a version and agree with the tool chain of the repository;
//   every COPY finds its source; every stage that is copied from exists; no ADD; apt leaves
//   nothing behind; the last stage runs as somebody who is not root, with a health check, and
//   starts a program rather than a shell.
//   compose.yaml: names the Dockerfile, uses the network of the host, drops capabilities.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const read = (file) => readFileSync(join(root, file), "utf8");
const findings = [...checkDockerfile(read("docker/Dockerfile")), ...checkCompose(read("docker/compose.yaml"))];
findings.forEach((finding) => console.error(finding));
process.exitCode = findings.length > 0 ? 1 : 0;

function checkDockerfile(text) {
  const found = [];
  const complain = (line, problem) => found.push(`docker/Dockerfile:${line}: ${problem}`);
  const stages = [];
  for (const { line, word, rest } of instructions(text)) {
    const stage = stages.at(-1);
    if (word !== "FROM" && word !== "ARG" && !stage) complain(line, `${word} before FROM`);
    stage?.instructions.push({ line, word, rest });
    if (word === "FROM") {
      const [image, , name] = rest.split(/\s+/);
      stages.push({ image, name, line, instructions: [] });
      if (!/:[\w.-]*\d/.test(image) && !/:(bookworm|trixie)/.test(image)) complain(line, `${image} has no version`);
    }
    if (word === "ADD") complain(line, "ADD may fetch or unpack; COPY says what it does");
    if (word === "COPY") checkCopy(line, rest, stages, complain);
    if (word === "RUN" && /apt-get install/.test(rest)) {
      if (!rest.includes("--no-install-recommends")) complain(line, "apt-get install without --no-install-recommends");
      if (!rest.includes("rm -rf /var/lib/apt/lists/*")) complain(line, "apt-get leaves its lists behind");
    }
    if (["CMD", "ENTRYPOINT"].includes(word) && !isList(rest)) complain(line, `${word} starts a shell`);
    if (word === "HEALTHCHECK" && !isList(rest.replace(/^.*?CMD\s+/s, ""))) complain(line, "HEALTHCHECK starts a shell");
  }
  const last = stages.at(-1);
  const of = (word) => last?.instructions.findLast((instruction) => instruction.word === word);
  for (const word of ["USER", "HEALTHCHECK", "ENTRYPOINT"]) {
    if (!of(word)) complain(last?.line ?? 1, `the last stage has no ${word}`);
  }
  if (/^(root|0)(:|$)/.test(of("USER")?.rest ?? "")) complain(of("USER").line, "the last stage runs as root");

  const rust = read("rust-toolchain.toml").match(/channel = "(\d+\.\d+)/)?.[1];
  if (!stages.some(({ image }) => image.startsWith(`rust:${rust}-`))) complain(1, `no stage builds with Rust ${rust}`);
  const node = JSON.parse(read("client-web/package.json")).engines.node.match(/\d+/)?.[0];
  if (!stages.some(({ image }) => image.startsWith(`node:${node}-`))) complain(1, `no stage builds with Node ${node}`);
  return found;
}

function checkCopy(line, rest, stages, complain) {
  const words = rest.split(/\s+/);
  const flags = words.filter((word) => word.startsWith("--"));
  const sources = words.filter((word) => !word.startsWith("--")).slice(0, -1);
  const from = flags.find((flag) => flag.startsWith("--from="))?.slice("--from=".length);
  if (from !== undefined) {
    if (!stages.slice(0, -1).some((stage) => stage.name === from)) complain(line, `there is no earlier stage ${from}`);
    return;
  }
  for (const source of sources) {
    if (!existsSync(join(root, source))) complain(line, `${source} does not exist`);
  }
}

function checkCompose(text) {
  const needs = [
    [/^\s+dockerfile: docker\/Dockerfile$/m, "does not build docker/Dockerfile"],
    [/^\s+network_mode: host$/m, "does not use the network of the host"],
    [/^\s+cap_drop: \[ALL\]$/m, "does not drop capabilities"],
    [/^\s+read_only: true$/m, "does not make the image read-only"],
    [/^volumes:$/m, "keeps no data"],
  ];
  const found = needs.filter(([pattern]) => !pattern.test(text)).map(([, problem]) => problem);
  if (/\t/.test(text)) found.push("has a tab, which YAML refuses");
  return found.map((problem) => `docker/compose.yaml: ${problem}`);
}

/** The instructions of a Dockerfile, continued lines joined, comments left out. */
function instructions(text) {
  const all = [];
  let current = null;
  text.split("\n").forEach((raw, index) => {
    const part = raw.trim();
    if (part === "" || part.startsWith("#")) return;
    current ??= { line: index + 1, text: "" };
    current.text += `${part.replace(/\\$/, "").trim()} `;
    if (part.endsWith("\\")) return;
    const [, word, rest] = current.text.trim().match(/^(\S+)\s*(.*)$/s);
    all.push({ line: current.line, word: word.toUpperCase(), rest });
    current = null;
  });
  return all;
}

function isList(text) {
  try {
    return Array.isArray(JSON.parse(text));
  } catch {
    return false;
  }
}
