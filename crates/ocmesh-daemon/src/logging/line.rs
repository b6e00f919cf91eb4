//! One line for each event: `[TIMESTAMP] [LEVEL] message key=value …`, times RFC 3339 UTC with milliseconds.

use std::{
    fmt::{self, Write as _},
    io::Write as _,
};

use ocmesh_proto::At;
use time::{OffsetDateTime, macros::format_description};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use super::escape::{push_text, push_value};
use crate::clock::Clock;

/// Formats events with the fields of their spans, and hands each line over whole.
pub(super) struct LineLayer {
    writer: NonBlocking,
    clock: Clock,
}

/// A span's fields as they will stand in each line.
struct SpanFields(String);

impl LineLayer {
    pub(super) fn new(writer: NonBlocking, clock: Clock) -> Self {
        Self { writer, clock }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LineLayer {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::of_span();
        attributes.record(&mut fields);
        span.extensions_mut().insert(SpanFields(fields.pairs));
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::of_span();
        values.record(&mut fields);
        if let Some(SpanFields(pairs)) = span.extensions_mut().get_mut() {
            pairs.push_str(&fields.pairs);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::of_event();
        event.record(&mut fields);
        let level = *event.metadata().level();
        let target = fields.target.take().unwrap_or_else(|| event.metadata().target().to_owned());
        let mut line = head(self.clock.now(), level);
        line.push_str(&fields.message.unwrap_or_default());
        if !target.starts_with("ocmesh") {
            push_pair(&mut line, "target", &target);
        }
        line.push_str(&fields.pairs);
        for span in context.event_scope(event).into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            if let Some(SpanFields(pairs)) = span.extensions().get() {
                line.push_str(pairs);
            }
        }
        line.push('\n');
        // One write is one line for the writing thread; a full queue drops it and counts.
        let _ = self.writer.clone().write_all(line.as_bytes());
    }
}

/// `[TIMESTAMP] [LEVEL] ` of a line.
pub(super) fn head(at: At, level: Level) -> String {
    let level = match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        _ => "DEBUG",
    };
    format!("[{}] [{level}] ", timestamp(at))
}

fn timestamp(at: At) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0).saturating_mul(1_000_000))
        .ok()
        .and_then(|at| at.format(form).ok())
        // Only a clock beyond the year 9999 gets here.
        .unwrap_or_else(|| "9999-12-31T23:59:59.999Z".to_owned())
}

/// Appends ` key=value`.
pub(super) fn push_pair(line: &mut String, key: &str, value: &str) {
    line.push(' ');
    line.push_str(key);
    line.push('=');
    push_value(line, value);
}

/// An event's or span's fields, escaped as they come in.
struct Fields {
    /// What an event says. A span says nothing; a field of that name in a span is a message's id.
    message: Option<String>,
    pairs: String,
    /// Where an event of the `log` crate came from.
    target: Option<String>,
}

impl Fields {
    fn of_event() -> Self {
        Self { message: Some(String::new()), pairs: String::new(), target: None }
    }

    fn of_span() -> Self {
        Self { message: None, pairs: String::new(), target: None }
    }

    fn add(&mut self, field: &Field, value: &str) {
        match (field.name(), &mut self.message) {
            ("message", Some(message)) => push_text(message, value),
            ("log.target", _) => self.target = Some(value.to_owned()),
            (name, _) if name.starts_with("log.") => {}
            (name, _) => push_pair(&mut self.pairs, name, value),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = write!(text, "{value:?}");
        self.add(field, &text);
    }
}
