//! An application's answer, read into verbs and handlers, in every shape that the published libraries send.
//!
//! Reading never fails on a single verb: what is unknown or broken is kept as such, for the story to tell.

use serde_json::Value;

use super::choices::Choices;
pub(super) use super::values::whole;
use super::values::{is_false, items, number, text};

/// What an application wants done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Document {
    pub(crate) verbs: Vec<Verb>,
    pub(crate) handlers: Vec<Handler>,
}

/// One thing to do.
#[derive(Debug, Clone)]
pub(crate) enum Verb {
    Answer,
    Ask(Ask),
    Call(Dial),
    Conference(Conference),
    Hangup,
    Message(Dial),
    /// Handlers, which stand anywhere and are kept with the document.
    On,
    Record(Record),
    Redirect(String),
    Reject,
    Say(Say),
    Recording(&'static str),
    Transfer(Dial),
    Wait {
        milliseconds: u64,
        allowed: Allowed,
    },
    LogSecurity(String),
    /// A verb that lacks what it needs.
    Broken {
        verb: String,
        lacks: &'static str,
    },
    /// A verb that Tropo does not have.
    Unknown(String),
}

/// Which signals may interrupt a verb.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Allowed {
    #[default]
    Any,
    Only(Vec<String>),
}

impl Allowed {
    pub(crate) fn allows(&self, signal: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) => names.iter().any(|name| name == signal),
        }
    }

    /// None at all.
    pub(crate) fn none() -> Self {
        Self::Only(Vec::new())
    }
}

/// Sentences, and which signals may interrupt them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Say {
    pub(crate) sentences: Vec<Sentence>,
    pub(crate) allowed: Allowed,
}

/// A sentence, the address of a sound, or SSML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sentence {
    pub(crate) text: String,
    /// When it is said instead of at once: `timeout`, `nomatch:1`.
    pub(crate) event: Option<String>,
}

/// What `transfer`, `call` and `message` have in common.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dial {
    pub(crate) to: Vec<String>,
    pub(crate) from: Option<String>,
    pub(crate) timeout: f64,
    pub(crate) network: Option<String>,
    pub(crate) channel: Option<String>,
    pub(crate) terminator: Option<String>,
    pub(crate) allowed: Allowed,
    pub(crate) handlers: Vec<Handler>,
    pub(crate) name: Option<String>,
    pub(crate) say: Vec<Sentence>,
    pub(crate) detects_machines: bool,
    /// Where the record of the call goes, and how it is labelled there.
    pub(crate) callback_url: Option<String>,
    pub(crate) label: Option<String>,
}

impl Dial {
    /// Whether it is a text that is sent, not a call that is made.
    pub(crate) fn is_text(&self) -> bool {
        let is = |field: &Option<String>, names: &[&str]| {
            field.as_deref().is_some_and(|value| names.iter().any(|name| value.eq_ignore_ascii_case(name)))
        };
        is(&self.channel, &["TEXT"]) || is(&self.network, &["SMS", "MMS"])
    }
}

/// A question that is answered by keys or, in a text session, by the text.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) name: Option<String>,
    pub(crate) say: Vec<Sentence>,
    pub(crate) choices: Choices,
    pub(crate) attempts: u64,
    /// How long the first key may take, in seconds.
    pub(crate) timeout: f64,
    /// How long each further key may take, in seconds.
    pub(crate) interdigit_timeout: f64,
    /// Whether keys cut the prompts short.
    pub(crate) bargein: bool,
    pub(crate) allowed: Allowed,
}

/// A recording of one side.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) name: Option<String>,
    pub(crate) say: Vec<Sentence>,
    pub(crate) url: Option<String>,
    /// The key that ends it.
    pub(crate) terminator: Option<String>,
    pub(crate) allowed: Allowed,
}

/// A room in which several calls meet.
#[derive(Debug, Clone)]
pub(crate) struct Conference {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) welcome: Vec<Sentence>,
    pub(crate) terminator: Option<String>,
    pub(crate) allowed: Allowed,
}

/// What to do when something happens.
#[derive(Debug, Clone)]
pub(crate) struct Handler {
    pub(crate) event: String,
    pub(crate) next: Option<String>,
    pub(crate) say: Vec<Sentence>,
    pub(crate) post: Option<String>,
    pub(crate) ask: Option<Ask>,
    /// How long the other side waits before it is connected, in milliseconds.
    pub(crate) wait: Option<u64>,
}

impl Document {
    /// Reads an answer's body.
    pub(crate) fn read(body: &[u8]) -> Result<(Self, Value), &'static str> {
        let value: Value = serde_json::from_slice(body).map_err(|_| "is not JSON")?;
        let document = Self::from_json(&value).ok_or("has no list named \"tropo\"")?;
        Ok((document, value))
    }

    /// Reads a document; nothing where there is no list named `tropo`.
    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let mut document = Self::default();
        for item in items(value.get("tropo").filter(|tropo| tropo.is_array() || tropo.is_object())?) {
            for (name, value) in item.as_object().into_iter().flatten() {
                if name == "on" {
                    document.handlers.extend(handlers(Some(value)));
                }
                document.verbs.push(verb(name, value));
            }
        }
        Some(document)
    }

    /// The handler of an event.
    pub(crate) fn handler(&self, event: &str) -> Option<&Handler> {
        self.handlers.iter().find(|handler| handler.event == event)
    }
}

fn verb(name: &str, value: &Value) -> Verb {
    let broken = |lacks| Verb::Broken { verb: name.to_owned(), lacks };
    match name {
        "answer" => Verb::Answer,
        "ask" => Verb::Ask(ask(value)),
        "call" | "message" | "transfer" => {
            let dial = dial(value);
            match name {
                _ if dial.to.is_empty() => broken("to"),
                "message" if dial.say.is_empty() => broken("say"),
                "message" => Verb::Message(dial),
                "call" => Verb::Call(dial),
                _ => Verb::Transfer(dial),
            }
        }
        "conference" => conference(value).map_or_else(|| broken("id"), Verb::Conference),
        "generalLogSecurity" => Verb::LogSecurity(text(Some(value)).unwrap_or_default()),
        "hangup" => Verb::Hangup,
        "on" => Verb::On,
        "record" => Verb::Record(record(value)),
        "redirect" => text(value.get("to")).map_or_else(|| broken("to"), Verb::Redirect),
        "reject" => Verb::Reject,
        "say" => say(value).map_or_else(|| broken("value"), Verb::Say),
        "startRecording" => Verb::Recording("startRecording"),
        "stopRecording" => Verb::Recording("stopRecording"),
        "wait" => Verb::Wait {
            milliseconds: whole(number(value.get("milliseconds")).unwrap_or(0.0)),
            allowed: allowed(value),
        },
        other => Verb::Unknown(other.to_owned()),
    }
}

impl Verb {
    /// What documents call it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Answer => "answer",
            Self::Ask(_) => "ask",
            Self::Call(_) => "call",
            Self::Conference(_) => "conference",
            Self::Hangup => "hangup",
            Self::Message(_) => "message",
            Self::On => "on",
            Self::Record(_) => "record",
            Self::Redirect(_) => "redirect",
            Self::Reject => "reject",
            Self::Say(_) => "say",
            Self::Transfer(_) => "transfer",
            Self::Wait { .. } => "wait",
            Self::LogSecurity(_) => "generalLogSecurity",
            Self::Recording(name) => name,
            Self::Broken { verb, .. } | Self::Unknown(verb) => verb,
        }
    }
}

fn dial(value: &Value) -> Dial {
    Dial {
        to: items(value.get("to").unwrap_or(&Value::Null)).filter_map(|to| text(Some(to))).collect(),
        from: text(value.get("from")),
        timeout: number(value.get("timeout")).unwrap_or(30.0),
        network: text(value.get("network")),
        channel: text(value.get("channel")),
        terminator: terminator(value),
        allowed: allowed(value),
        handlers: handlers(value.get("on")),
        name: text(value.get("name")),
        say: sentences(value.get("say")),
        callback_url: text(value.get("callbackUrl")),
        label: text(value.get("label")),
        detects_machines: value
            .get("machineDetection")
            .is_some_and(|wanted| !matches!(wanted, Value::Bool(false) | Value::Null)),
    }
}

/// The key of a verb whose `choices` have nothing else.
fn terminator(value: &Value) -> Option<String> {
    text(value.get("choices").and_then(|choices| choices.get("terminator")))
}

fn ask(value: &Value) -> Ask {
    Ask {
        name: text(value.get("name")),
        say: sentences(value.get("say")),
        choices: choices(value),
        attempts: whole(number(value.get("attempts")).unwrap_or(1.0)).clamp(1, 10),
        timeout: number(value.get("timeout")).unwrap_or(30.0),
        interdigit_timeout: number(value.get("interdigitTimeout")).unwrap_or(3.0),
        bargein: !is_false(value.get("bargein")),
        allowed: allowed(value),
    }
}

/// An object, or the grammar alone as a text or a list. Early libraries write the mode beside it.
fn choices(ask: &Value) -> Choices {
    let Some(choices) = ask.get("choices") else { return Choices::default() };
    let grammars: Vec<String> =
        items(choices.get("value").unwrap_or(choices)).filter_map(|grammar| text(Some(grammar))).collect();
    let field = |name| text(choices.get(name).or_else(|| ask.get(name)));
    Choices::read(&grammars.join(","), field("mode").as_deref(), field("terminator").as_deref())
}

fn record(value: &Value) -> Record {
    let url = items(value.get("url").unwrap_or(&Value::Null)).next();
    Record {
        name: text(value.get("name")),
        say: sentences(value.get("say")),
        url: text(url.map(|url| url.get("url").unwrap_or(url))),
        terminator: terminator(value),
        allowed: allowed(value),
    }
}

fn conference(value: &Value) -> Option<Conference> {
    let joins = handlers(value.get("on")).into_iter().filter(|handler| handler.event == "join");
    let mut welcome = sentences(value.get("joinPrompt"));
    welcome.extend(joins.flat_map(|handler| handler.say));
    Some(Conference {
        id: text(value.get("id"))?,
        name: text(value.get("name")),
        welcome,
        terminator: text(value.get("terminator").or_else(|| value.get("exitTone"))),
        allowed: allowed(value),
    })
}

fn handlers(value: Option<&Value>) -> Vec<Handler> {
    let read = |value: &Value| {
        Some(Handler {
            event: text(value.get("event"))?,
            next: text(value.get("next")),
            say: sentences(value.get("say")),
            post: text(value.get("post")),
            ask: value.get("ask").map(ask),
            wait: number(value.get("wait").and_then(|wait| wait.get("milliseconds"))).map(whole),
        })
    };
    items(value.unwrap_or(&Value::Null)).filter_map(read).collect()
}

fn say(value: &Value) -> Option<Say> {
    let sentences = sentences(Some(value));
    let allowed = items(value).map(allowed).next().unwrap_or_default();
    if sentences.is_empty() { None } else { Some(Say { sentences, allowed }) }
}

fn sentences(value: Option<&Value>) -> Vec<Sentence> {
    let read = |value: &Value| match value {
        Value::Object(object) => {
            Some(Sentence { text: text(object.get("value"))?, event: text(object.get("event")) })
        }
        Value::Bool(_) => None,
        plain => Some(Sentence { text: text(Some(plain))?, event: None }),
    };
    items(value.unwrap_or(&Value::Null)).filter_map(read).collect()
}

fn allowed(value: &Value) -> Allowed {
    match value.get("allowSignals") {
        None | Some(Value::Null) => Allowed::Any,
        Some(names) => Allowed::Only(items(names).filter_map(|name| text(Some(name))).collect()),
    }
}
