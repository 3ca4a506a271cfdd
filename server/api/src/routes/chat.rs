//! `/sessions/{session}/chat`: what was written in a meeting to everybody or to the hosts.
//! Private messages are never shown.

use std::collections::VecDeque;
use std::io;

use axum::body::Body;
use conclave_server_core::access::record::Scope;
use conclave_signalling_core::record::{AuditEntry, Change};
use conclave_signalling_core::write_chat;
use conclave_signalling_node::Rooms;
use conclave_signalling_store::{ChatQuery, Store};
use conclave_signalling_wire::chat::{ChatFormat, ChatMessage};
use conclave_signalling_wire::ids::{MessageId, RoomId, SessionId};
use conclave_signalling_wire::text::Slug;
use conclave_signalling_wire::time::Timestamp;
use futures_util::stream;
use http::{StatusCode, header};
use serde_json::json;

use crate::auth::Caller;
use crate::call::{Answer, Call};
use crate::lists::{List, cut};
use crate::problem::Problem;
use crate::routes::sessions::{Announce, Found, announce, of_nobody};
use crate::table::{Count, Route};

/// Messages that are read at once: a room gives no more.
const PAGE: usize = 100;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/sessions/{session}/chat", "listChat")
            .scope(Scope::ContentRead)
            .summary("List the chat messages of a session")
            .about(
                "The oldest first. Those to everybody and to the hosts, never private ones; that \
                 they were read is in the audit log. Of a session that is over there are those that \
                 its room keeps for days.",
            )
            .list_of::<ChatMessage>()
            .by::<u32>()
            .by::<Count>()
            .problem(StatusCode::CONFLICT, "not_stored")
            .example(of_nobody("Of a session that is forgotten"))
            .handler(list),
        Route::get("/sessions/{session}/chat/export", "exportChat")
            .scope(Scope::ContentRead)
            .summary("Export the chat of a session")
            .about("The messages of the list as a file, sent as it is made.")
            .query::<ChatFormat>("format", "How it is written: `jsonl`, unless it says `txt` or `csv`.")
            .returns_text(&["application/jsonl", "text/plain", "text/csv"], "The file.")
            .problem(StatusCode::CONFLICT, "not_stored")
            .example(of_nobody("For a spreadsheet").query("format=csv"))
            .handler(export),
        Route::post("/sessions/{session}/chat", "writeChat")
            .scope(Scope::SessionsAct)
            .summary("Tell everybody in a session something")
            .about("As an announcement of the server, which is no message in the chat and is not kept.")
            .body::<Announce>()
            .no_content()
            .problem(StatusCode::CONFLICT, "not_live")
            .example(of_nobody("Tell of a place").body(json!({"text": "The slides are in the wiki"})))
            .handler(announce),
        Route::delete("/sessions/{session}/chat", "clearChat")
            .scope(Scope::SessionsAct)
            .summary("Delete the chat messages of a session")
            .about(
                "Those to everybody and to the hosts. While the session goes on, the chat of its room \
                 is cleared as hosts clear it: what is kept of earlier sessions goes too.",
            )
            .no_content()
            .problem(StatusCode::CONFLICT, "not_stored")
            .example(of_nobody("Of a session that is forgotten"))
            .handler(clear),
        Route::delete("/sessions/{session}/chat/{message}", "deleteChatMessage")
            .scope(Scope::SessionsAct)
            .summary("Delete a chat message")
            .about("Its place stays, without its text.")
            .no_content()
            .problem(StatusCode::CONFLICT, "not_stored")
            .example(of_nobody("Of a session that is forgotten"))
            .handler(delete),
    ]
}

/// Where the messages of one session are.
struct Source {
    rooms: Rooms,
    store: Store,
    room: RoomId,
    session: SessionId,
    /// Since when the session goes on and where; `None` for one that is over.
    live: Option<(Slug, Timestamp)>,
    caller: Caller,
}

/// Some messages in the order of their numbers.
struct Piece {
    messages: Vec<ChatMessage>,
    /// The number after which the next piece begins; `None` if there is none.
    next: Option<u32>,
}

impl Source {
    async fn of(call: &Call) -> Result<Self, Problem> {
        let found = Found::of(call).await?;
        let started_at = found.kept.session.started_at;
        Ok(Source {
            rooms: call.admin.rooms.clone(),
            store: call.admin.store.clone(),
            room: found.kept.room,
            session: found.id(),
            live: found.live().map(|slug| (slug.clone(), started_at)),
            caller: call.caller.clone(),
        })
    }

    /// Returns messages after a number, at most 100.
    async fn piece(&self, after: u32, limit: usize) -> Result<Piece, Problem> {
        let limit = limit.min(PAGE);
        match &self.live {
            Some((slug, since)) => self.read_room(slug, *since, after, limit).await,
            None => self.read_store(after, limit).await,
        }
    }

    /// A room tells of earlier sessions as well, whose messages are before.
    async fn read_room(
        &self,
        slug: &Slug,
        since: Timestamp,
        mut after: u32,
        limit: usize,
    ) -> Result<Piece, Problem> {
        loop {
            let page = self
                .rooms
                .chat_list(slug, (after, limit), self.caller.actor)
                .await?;
            let last = page.messages.last().map(|message| message.number);
            let next = last.filter(|_| page.has_more);
            let messages = page.messages.into_iter();
            let messages: Vec<ChatMessage> = messages.filter(|one| one.ts >= since).collect();
            match next {
                Some(next) if messages.is_empty() => after = next,
                next => return Ok(Piece { messages, next }),
            }
        }
    }

    async fn read_store(&self, after: u32, limit: usize) -> Result<Piece, Problem> {
        // One more shows whether there are more.
        let mut messages = self.kept(after, limit + 1).await?;
        let next = cut(&mut messages, limit, |last| last.number);
        Ok(Piece { messages, next })
    }

    async fn kept(&self, after: u32, limit: usize) -> Result<Vec<ChatMessage>, Problem> {
        let query = ChatQuery {
            room: self.room,
            session: Some(self.session),
            after,
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            now: crate::now(),
        };
        let records = self.store.chat(&query).await?;
        Ok(records.into_iter().map(|record| record.message).collect())
    }

    /// Returns the number after which the messages of the session begin.
    ///
    /// # Errors
    /// 409 if the session is over and nothing of it is kept.
    async fn begin(&self) -> Result<u32, Problem> {
        let first = self.kept(0, 1).await?.first().map(|first| first.number);
        match (first, &self.live) {
            (Some(first), _) => Ok(first.saturating_sub(1)),
            (None, Some(_)) => Ok(0),
            (None, None) => Err(Problem::new(StatusCode::CONFLICT, "not_stored")
                .detail("nothing is kept of what was written in this session")),
        }
    }

    async fn all(&self) -> Result<Vec<ChatMessage>, Problem> {
        let mut all = Vec::new();
        let mut after = Some(self.begin().await?);
        while let Some(from) = after {
            let piece = self.piece(from, PAGE).await?;
            all.extend(piece.messages);
            after = piece.next;
        }
        Ok(all)
    }

    /// Writes down what was done that no room writes down.
    fn deed(&self, action: &str, detail: Option<String>) -> AuditEntry {
        AuditEntry {
            room: Some(self.room),
            session: Some(self.session),
            detail,
            ..self.caller.did(action, None)
        }
    }
}

async fn list(call: Call) -> Result<Answer, Problem> {
    let query = &call.query;
    let limit = query.limit()?;
    let cursor = query.parsed("cursor", |text| text.parse().ok())?;
    let cursor = cursor.map(|Count(number)| u32::try_from(number).unwrap_or(u32::MAX));
    let source = Source::of(&call).await?;
    let begin = source.begin().await?;
    if source.live.is_none() {
        let detail = Some(format!("after {}", cursor.unwrap_or_default()));
        let read = source.deed("chat.read", detail);
        source.store.audit(read).await?;
    }
    if !query.ascending(true)? || query.wants_total()? {
        let list = List {
            entries: source.all().await?,
            key: |message| message.number,
            newest_first: false,
        };
        return list.page(query, |message| json!(message));
    }
    let after = cursor.unwrap_or_default().max(begin);
    let piece = source.piece(after, limit).await?;
    let data = piece.messages.iter().map(|one| json!(one)).collect();
    Ok(Answer::page(
        data,
        piece.next.map(|next| next.to_string()),
        None,
    ))
}

async fn export(call: Call) -> Result<Answer, Problem> {
    let format = call.query.parsed("format", |text| match text {
        "jsonl" => Some(ChatFormat::Jsonl),
        "txt" => Some(ChatFormat::Txt),
        "csv" => Some(ChatFormat::Csv),
        _ => None,
    })?;
    let format = format.unwrap_or(ChatFormat::Jsonl);
    let source = Source::of(&call).await?;
    let begin = source.begin().await?;
    let (kind, ending) = match format {
        ChatFormat::Jsonl => ("application/jsonl", "jsonl"),
        ChatFormat::Txt => ("text/plain; charset=utf-8", "txt"),
        ChatFormat::Csv => ("text/csv; charset=utf-8", "csv"),
    };
    let exported = source.deed("chat.export", Some(ending.to_owned()));
    source.store.audit(exported).await?;
    let file = format!("attachment; filename=\"chat-{}.{ending}\"", source.session);
    let export = Export {
        source,
        format,
        next: Some(begin),
        is_first: true,
    };
    let pieces = stream::try_unfold(export, Export::piece);
    Ok(Answer::stream(kind, Body::from_stream(pieces)).header(header::CONTENT_DISPOSITION, &file))
}

/// A file that is being sent.
struct Export {
    source: Source,
    format: ChatFormat,
    /// After which number it goes on; `None` at its end.
    next: Option<u32>,
    is_first: bool,
}

impl Export {
    async fn piece(mut self) -> io::Result<Option<(String, Self)>> {
        let Some(after) = self.next else {
            return Ok(None);
        };
        let piece = self.source.piece(after, PAGE).await;
        let piece = piece.map_err(|_| io::Error::other("the chat cannot be read further"))?;
        self.next = piece.next;
        let mut rest: VecDeque<ChatMessage> = piece.messages.into();
        let mut text = String::new();
        loop {
            let written = write_chat(rest.iter().cloned(), self.format, self.is_first);
            self.is_first = false;
            text.push_str(&written.text);
            let Some(last) = written.next else {
                return Ok(Some((text, self)));
            };
            rest.retain(|message| message.number > last);
        }
    }
}

async fn clear(call: Call) -> Result<Answer, Problem> {
    let source = Source::of(&call).await?;
    if let Some((slug, _)) = &source.live {
        source
            .rooms
            .chat_clear(slug, None, source.caller.actor)
            .await?;
        return Ok(Answer::nothing());
    }
    source.begin().await?;
    // A later session in the room may show them: there they are deleted one by one.
    let slug = source.rooms.find_id(source.room);
    let room = slug.and_then(|slug| source.rooms.entry(&slug));
    if let Some(room) = room.filter(|room| room.is_live) {
        for message in source.all().await? {
            let deleted = source
                .rooms
                .chat_delete(&room.slug, message.id, source.caller.actor);
            match deleted.await.map_err(Problem::from) {
                Err(problem) if problem.status() == StatusCode::NOT_FOUND => {}
                deleted => deleted?,
            }
        }
    }
    let changes = vec![
        Change::ChatGone {
            session: Some(source.session),
            up_to: u32::MAX,
        },
        Change::Audit(Box::new(source.deed("chat.clear", None))),
    ];
    source.store.commit(source.room, changes).await?;
    Ok(Answer::nothing())
}

async fn delete(call: Call) -> Result<Answer, Problem> {
    let missing = || Problem::not_found("message");
    let source = Source::of(&call).await?;
    let message: MessageId = call.id("message", "message")?;
    let slug = source.rooms.find_id(source.room).ok_or_else(missing)?;
    if source.live.is_none() {
        let of_session = source.all().await?;
        let is_there = of_session.iter().any(|other| other.id == message);
        is_there.then_some(()).ok_or_else(missing)?;
    }
    source
        .rooms
        .chat_delete(&slug, message, source.caller.actor)
        .await?;
    Ok(Answer::nothing())
}
