//! The TypeScript module of the browser client.

use std::collections::BTreeMap;
use std::fmt::Write;

use conclave_signalling_wire::error::{CloseCode, ErrorBody};
use conclave_signalling_wire::limits;
use conclave_signalling_wire::push::Push;
use conclave_signalling_wire::request::{Request, Verb};
use ts_rs::{Config, TS, TypeVisitor};

/// Declarations by name, so that their order never depends on who refers to whom.
struct Declarations {
    config: Config,
    by_name: BTreeMap<String, String>,
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Only types of our own have a file, and with it a declaration.
        let known = T::output_path().is_none() || self.by_name.contains_key(&T::name(&self.config));
        if !known {
            let docs = tidy_docs(&T::docs().unwrap_or_default(), "");
            let declaration = format!("{docs}export {}", tidy(&T::decl(&self.config)));
            self.by_name.insert(T::name(&self.config), declaration);
        }
        if T::output_path().is_none() || !known {
            T::visit_dependencies(self);
            T::visit_generics(self);
        }
    }
}

/// Returns all declarations, sorted by name.
pub(crate) fn declarations() -> Vec<String> {
    let mut found = Declarations {
        config: Config::new(),
        by_name: BTreeMap::new(),
    };
    Request::visit_types(&mut found);
    Push::visit_types(&mut found);
    found.visit::<ErrorBody>();
    found.by_name.into_values().collect()
}

/// Puts a comment of one line onto one line.
fn tidy_docs(docs: &str, indent: &str) -> String {
    let lines: Vec<&str> = docs
        .lines()
        .map(str::trim)
        .filter(|line| *line != "/**" && *line != "*/")
        .collect();
    match lines.as_slice() {
        [] => String::new(),
        [line] => format!("{indent}/** {} */\n", line.trim_start_matches("* ")),
        lines => {
            let body: String = lines
                .iter()
                .map(|line| format!("{indent} {line}\n"))
                .collect();
            format!("{indent}/**\n{body}{indent} */\n")
        }
    }
}

/// Gives each member of an object a line, and each union one line without the comments of its members.
fn tidy(declaration: &str) -> String {
    let is_object = declaration.contains("= { \n") && !declaration.contains(" | {");
    let mut text = String::new();
    let mut docs = String::new();
    let mut in_docs = false;
    for line in declaration.lines().map(str::trim) {
        in_docs |= line.starts_with("/**");
        if in_docs {
            docs.push_str(line);
            docs.push('\n');
            in_docs = !line.ends_with("*/");
        } else if is_object {
            text.push_str(&tidy_docs(&std::mem::take(&mut docs), "  "));
            match line.strip_suffix(", };") {
                Some(member) => write!(text, "  {member};\n}};").unwrap(),
                None if line.ends_with('{') => writeln!(text, "{line}").unwrap(),
                None => writeln!(text, "  {};", line.trim_end_matches(',')).unwrap(),
            }
        } else {
            let space = if text.is_empty() { "" } else { " " };
            write!(text, "{space}{line}").unwrap();
        }
    }
    text.replace(", }", " }")
        .replace("{ \"kind\":", "{ kind:")
        .replace("{ \"outcome\":", "{ outcome:")
        .replace("{ \"state\":", "{ state:")
}

fn union(name: &str, doc: &str, verbs: &[Verb]) -> String {
    let config = Config::new();
    let mut text = format!("/** {doc} */\nexport type {name} =");
    for verb in verbs {
        let data = (verb.data)(&config);
        write!(text, "\n  | {{ type: \"{}\"; data: {data} }}", verb.name).unwrap();
    }
    text + ";"
}

/// Returns the whole module.
pub(crate) fn module() -> String {
    let config = Config::new();
    let mut parts = vec![
        "// Generated from signalling/wire by its test `generated`. Do not edit.".to_owned(),
        union("Request", "What a client asks.", Request::VERBS),
        union(
            "Push",
            "What a client is told unasked. Ignore unknown types.",
            Push::VERBS,
        ),
    ];
    let mut replies =
        "/** The `ok` of the reply to each request. */\nexport interface Replies {\n".to_owned();
    for verb in Request::VERBS {
        writeln!(replies, "  \"{}\": {};", verb.name, (verb.ok)(&config)).unwrap();
    }
    parts.push(replies + "}");
    let state: Vec<String> = Push::VERBS
        .iter()
        .filter(|verb| !verb.sequenced)
        .map(|verb| format!("\"{}\"", verb.name))
        .collect();
    parts.push(format!(
        "/** Pushes without a number: only the newest counts. */\nexport type StatePushType = {};",
        state.join(" | ")
    ));
    parts.push(
        "/** A request as it is sent; `id` is unique while the reply is pending. */\n\
         export type RequestFrame = { id: number } & Request;"
            .to_owned(),
    );
    parts.push(
        "/** A reply as it arrives; the type of `ok` follows from the request. */\n\
         export type ReplyFrame = { id: number; ok: unknown } | { id: number; error: ErrorBody };"
            .to_owned(),
    );
    parts.push(
        "/** A push as it arrives; state pushes have no number. */\nexport type PushFrame = { seq?: number } & Push;"
            .to_owned(),
    );
    let mut codes =
        "/** Why the server closed a link. */\nexport const closeCodes = {\n".to_owned();
    for code in CloseCode::ALL {
        let name = format!("{code:?}");
        let (first, rest) = name.split_at(1);
        writeln!(
            codes,
            "  {}{rest}: {},",
            first.to_lowercase(),
            code.number()
        )
        .unwrap();
    }
    parts.push(codes + "} as const;");
    let final_codes: Vec<String> = CloseCode::ALL
        .iter()
        .filter(|code| !code.may_reconnect())
        .map(|code| code.number().to_string())
        .collect();
    parts.push(format!(
        "/** Close codes after which a client must not come back by itself. */\n\
         export const finalCloseCodes: readonly number[] = [{}];",
        final_codes.join(", ")
    ));
    parts.push(format!(
        "/** Version of the protocol. */\nexport const protocolVersion = {};",
        limits::PROTOCOL
    ));
    parts.push(format!(
        "/** WebSocket subprotocol. */\nexport const subprotocol = \"{}\";",
        limits::SUBPROTOCOL
    ));
    parts.push(format!(
        "/** How long the place of a broken link is kept. */\nexport const resumeWindowMs = {};",
        limits::RESUME_WINDOW.as_millis()
    ));
    parts.extend(declarations());
    parts.join("\n\n") + "\n"
}
