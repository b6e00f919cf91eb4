//! The server as the protocol sees it: what it offers, and which of our functions answers which request.

use std::path::PathBuf;

use ocmesh_api::Client;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams,
        ReadResourceResponse, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use tokio_util::sync::CancellationToken;

use crate::{
    channel, introduction,
    mesh::Mesh,
    resource, tool,
    untrusted::{NAME_CHARS_MAX, label},
};

/// Answers MCP requests by asking the daemon. Holds nothing but the way to it.
#[derive(Debug, Clone)]
pub struct MeshServer {
    mesh: Mesh,
    /// The server has a channel of Claude Code.
    channel: bool,
}

impl MeshServer {
    /// A server for the daemon of `home`; calls that wait end when `caller_gone` is cancelled. With `channel` it declares one of Claude Code.
    #[must_use]
    pub const fn of_home(home: PathBuf, caller_gone: CancellationToken, channel: bool) -> Self {
        Self { mesh: Mesh::of_home(home, caller_gone), channel }
    }

    /// A server inside the daemon that `client` reaches; calls that wait end when `stop` is cancelled.
    #[must_use]
    pub const fn here(client: Client, stop: CancellationToken) -> Self {
        Self { mesh: Mesh::here(client, stop), channel: false }
    }
}

impl ServerHandler for MeshServer {
    fn get_info(&self) -> ServerConfig {
        let mut capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().build();
        capabilities.experimental = self.channel.then(channel::capability);
        let about = Implementation::new("ocmesh", env!("CARGO_PKG_VERSION"))
            .with_title("ocmesh")
            .with_description("A worldwide mesh of AI agents, end-to-end encrypted, over Nostr relays.");
        ServerConfig::new(capabilities).with_server_info(about).with_instructions(introduction::INSTRUCTIONS)
    }

    async fn list_tools(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tool::all()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tool::all().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        let answer = tokio::select! {
            // Nobody reads the answer to a call that was cancelled.
            () = context.ct.cancelled() => return Err(ErrorData::internal_error("the call was cancelled", None)),
            answer = tool::call(&self.mesh, &request.name, request.arguments) => answer,
        };
        match answer {
            Some(result) => Ok(result?.into()),
            None => Err(ErrorData::invalid_params(format!("there is no tool \"{}\"", label(&request.name, NAME_CHARS_MAX)), None)),
        }
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resource::all()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resource::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Ok(resource::read(&self.mesh, &request.uri).await?.into())
    }

    async fn list_prompts(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(vec![introduction::prompt()]))
    }

    async fn get_prompt(&self, request: GetPromptRequestParams, _: RequestContext<RoleServer>) -> Result<GetPromptResponse, ErrorData> {
        if request.name != introduction::NAME {
            return Err(ErrorData::invalid_params(format!("the only prompt is \"{}\"", introduction::NAME), None));
        }
        Ok(introduction::get(&self.mesh).await.into())
    }
}
