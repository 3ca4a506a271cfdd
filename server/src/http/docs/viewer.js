// Shows the OpenAPI document of this server. Texts of the document become text
// nodes only: nothing in it is ever read as HTML.

const DEPTH_MAX = 6;

/** Makes an element with attributes and children; a child that is a string becomes text. */
function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Splits a text at its `code` and makes elements of those pieces. */
function rich(text) {
  return text.split("`").map((piece, place) => (place % 2 === 1 ? make("code", {}, piece) : piece));
}

/** Returns what a reference of the document leads to, or the schema itself. */
export function resolved(api, schema) {
  if (typeof schema?.$ref !== "string") return schema ?? {};
  const steps = schema.$ref.slice(2).split("/");
  return steps.reduce((value, step) => value?.[step], api) ?? {};
}

/** Returns in a few words what a value may be. */
export function kindOf(api, schema) {
  if (schema?.$ref) return nameOf(schema);
  if (schema?.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema?.const !== undefined) return JSON.stringify(schema.const);
  const several = schema?.anyOf ?? schema?.oneOf;
  if (several) return several.map((one) => kindOf(api, one)).join(" | ");
  const types = [schema?.type ?? "any"].flat();
  const named = types.map((type) => (type === "array" ? `${kindOf(api, schema.items)}[]` : type));
  const limits = [
    schema?.minimum !== undefined ? `≥ ${schema.minimum}` : "",
    schema?.maximum !== undefined ? `≤ ${schema.maximum}` : "",
    schema?.maxLength !== undefined ? `≤ ${schema.maxLength} characters` : "",
    schema?.pattern && schema.pattern !== "\\S" ? `like ${schema.pattern}` : "",
  ].filter((limit) => limit !== "");
  return [named.join(" | "), ...limits].join(", ");
}

function nameOf(schema) {
  return schema.$ref.split("/").at(-1);
}

/** Quotes a text for a POSIX shell. */
export function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Returns the command that sends an example of an operation. */
export function curlOf(origin, method, path, operation, request) {
  const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === "path");
  let place = path;
  for (const parameter of inPath) {
    const value = request.path?.[parameter.name] ?? parameter.example ?? parameter.name;
    place = place.replace(`{${parameter.name}}`, encodeURIComponent(value));
  }
  const query = request.query ? `?${request.query}` : "";
  const parts = [`curl ${quoted(`${origin}/api/v1${place}${query}`)}`];
  if (method !== "get") parts.push(`-X ${method.toUpperCase()}`);
  if (operation.security?.length > 0) parts.push(`-H "authorization: Bearer $KEY"`);
  if (request.text !== undefined) {
    parts.push(`-H ${quoted(`content-type: ${request.contentType}`)}`);
    parts.push(`--data-binary ${quoted(request.text)}`);
  } else if (request.body !== undefined) {
    parts.push(`-H 'content-type: application/json'`, `-d ${quoted(JSON.stringify(request.body))}`);
  }
  return parts.join(" \\\n  ");
}

/** Returns the words by which an operation is found. */
export function wordsOf(method, path, operation) {
  const { operationId, summary, description = "", tags = [], security = [] } = operation;
  const scopes = security.flatMap((one) => Object.values(one).flat());
  return [method, path, operationId, summary, description, ...tags, ...scopes].join(" ").toLowerCase();
}

function members(api, schema, depth, seen) {
  const of = resolved(api, schema);
  const several = [of.anyOf ?? of.oneOf ?? of.allOf ?? []].flat();
  const lists = several.map((one) => members(api, one, depth, seen)).filter((one) => one !== null);
  if (of.items) lists.push(members(api, of.items, depth, seen));
  if (of.properties) {
    const list = make("dl", {});
    for (const [name, member] of Object.entries(of.properties)) {
      const required = of.required?.includes(name) ? " · required" : "";
      const about = member.description ?? resolved(api, member).description;
      list.append(
        make("dt", {}, make("code", {}, name), make("span", { class: "kind" }, ` ${kindOf(api, member)}${required}`)),
        make("dd", {}, about ? rich(about) : [], inner(api, member, depth, seen)),
      );
    }
    lists.unshift(list);
  }
  const shown = lists.filter((one) => one !== null);
  return shown.length === 0 ? null : make("div", {}, shown);
}

/** Members of a member, closed until they are asked for. */
function inner(api, schema, depth, seen) {
  const name = schema.$ref ?? schema.items?.$ref;
  if (depth >= DEPTH_MAX || (name && seen.includes(name))) return null;
  const list = members(api, schema, depth + 1, name ? [...seen, name] : seen);
  return list && make("details", {}, make("summary", {}, "Members"), list);
}

function contents(api, content) {
  return Object.entries(content ?? {}).map(([type, { schema, example }]) => [
    make("p", {}, make("code", {}, type), schema?.$ref ? make("span", { class: "kind" }, ` ${nameOf(schema)}`) : null),
    members(api, schema, 0, []),
    example === undefined ? null : make("pre", { tabindex: "0" }, JSON.stringify(example, null, 2)),
  ]);
}

function article(api, method, path, operation) {
  const scopes = (operation.security ?? []).flatMap((one) => Object.values(one).flat());
  const needs = operation.security?.length === 0 ? "no key" : (scopes[0] ?? "any key");
  const body = operation.requestBody;
  const parameters = (operation.parameters ?? []).map((parameter) => [
    make(
      "dt",
      {},
      make("code", {}, parameter.name),
      make("span", { class: "kind" }, ` in ${parameter.in}, ${kindOf(api, parameter.schema)}${parameter.required ? " · required" : ""}`),
    ),
    make("dd", {}, rich(parameter.description ?? "")),
  ]);
  const responses = Object.entries(operation.responses).map(([status, response]) =>
    make(
      "details",
      status.startsWith("2") ? { open: "" } : {},
      make("summary", {}, make("code", {}, status), status.startsWith("2") ? ` ${response.description}` : ""),
      status.startsWith("2") ? contents(api, response.content) : make("p", { class: "text" }, rich(response.description)),
    ),
  );
  const requests = operation["x-requests"] ?? [];
  return make(
    "article",
    { id: operation.operationId },
    make("h3", {}, operation.summary),
    make(
      "p",
      { class: "route" },
      make("code", { class: "method" }, method.toUpperCase()),
      make("code", {}, `/api/v1${path}`),
      make("span", { class: "scope" }, "needs ", make("code", {}, needs)),
    ),
    operation.description ? make("p", {}, rich(operation.description)) : null,
    requests.map((request) => [
      make("h4", {}, request.summary),
      make("pre", { tabindex: "0" }, curlOf(location.origin, method, path, operation, request)),
    ]),
    parameters.length > 0 ? [make("h4", {}, "Parameters"), make("dl", {}, parameters)] : null,
    body ? [make("h4", {}, "Body"), contents(api, body.content)] : null,
    make("h4", {}, "Answers"),
    responses,
  );
}

function show(api) {
  const page = document.getElementById("document");
  const routes = document.getElementById("routes");
  const search = document.getElementById("search");
  const shown = [];
  page.replaceChildren(make("p", {}, rich(api.info.description)));
  for (const tag of api.tags) {
    const heading = make("h2", {}, tag.name);
    const title = make("h2", {}, tag.description);
    routes.append(heading);
    page.append(title);
    const group = { heading, title, entries: [] };
    for (const [path, item] of Object.entries(api.paths)) {
      for (const [method, operation] of Object.entries(item)) {
        if (operation.tags[0] !== tag.name) continue;
        const link = make("a", { href: `#${operation.operationId}` }, operation.summary);
        const entry = article(api, method, path, operation);
        routes.append(link);
        page.append(entry);
        group.entries.push({ link, entry, words: wordsOf(method, path, operation) });
      }
    }
    shown.push(group);
  }
  page.setAttribute("aria-busy", "false");
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/);
    for (const group of shown) {
      for (const { link, entry, words: known } of group.entries) {
        const hidden = !words.every((word) => known.includes(word));
        link.hidden = entry.hidden = hidden;
      }
      group.heading.hidden = group.title.hidden = group.entries.every(({ entry }) => entry.hidden);
    }
  });
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

if (typeof document !== "undefined") {
  try {
    const answer = await fetch("/api/v1/openapi.json", { credentials: "omit" });
    if (!answer.ok) throw new Error(`${answer.status}`);
    show(await answer.json());
  } catch (error) {
    const text = `The document cannot be read: ${error.message}.`;
    document.getElementById("document").replaceChildren(make("p", { role: "alert" }, text));
  }
}
