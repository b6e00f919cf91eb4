//! What a tool says when all is well: the same facts twice, as text for a model and as values for a program.

use rmcp::model::{CallToolResult, ContentBlock, ErrorData};
use serde::Serialize;

/// A tool's answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer<T> {
    /// For a model: short, with every id needed for the next step.
    pub(crate) text: String,
    /// For a program: fits the tool's output schema.
    pub(crate) value: T,
}

impl<T: Serialize> Answer<T> {
    /// The answer as a tool's result.
    pub(crate) fn into_result(self) -> Result<CallToolResult, ErrorData> {
        let value = serde_json::to_value(self.value).map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        let mut result = CallToolResult::success(vec![ContentBlock::text(self.text)]);
        result.structured_content = Some(value);
        Ok(result)
    }
}

/// "1 message", "2 messages".
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
