//! `ocmesh token`: tokens of the Local API for programs that should not have the owner's. Works with the daemon stopped, too.

use ocmesh_api::Scope;
use ocmesh_daemon::{
    config::ApiAuth,
    token::{NamedToken, TokenError, Tokens},
};
use serde_json::json;
use time::OffsetDateTime;

use super::{Place, from_start, now};
use crate::{
    cli::{ScopeWord, TokenCommand},
    error::{CliError, chain},
    ui::{Ui, age, safe, table},
};

pub(crate) fn run(ui: &Ui, place: &Place, command: &TokenCommand) -> Result<(), CliError> {
    match command {
        TokenCommand::New { name, scope } => make(ui, place, name, Scope::from(*scope)),
        TokenCommand::List => {
            let tokens = Tokens::of(&place.home).list().map_err(|error| refused("the tokens could not be listed", &error))?;
            if ui.json {
                return ui.json(
                    &tokens
                        .iter()
                        .map(|token| json!({"name": token.name, "scope": token.scope, "made_at": made_at(token)}))
                        .collect::<Vec<_>>(),
                );
            }
            if tokens.is_empty() {
                return ui.line("No tokens. Make one: ocmesh token new NAME --scope read");
            }
            ui.print(&render(&tokens, now()))
        }
        TokenCommand::Revoke { name } => {
            Tokens::of(&place.home).revoke(name).map_err(|error| refused("the token could not be revoked", &error))?;
            ui.done(format!("{} opens nothing any more.", safe(name)), &json!({"name": name, "revoked": true}))
        }
    }
}

fn make(ui: &Ui, place: &Place, name: &str, scope: Scope) -> Result<(), CliError> {
    let home = place.home.open().map_err(|error| from_start("home_unusable", "the home cannot be used", &error.into()))?.home;
    let token = Tokens::of(&home).make(name, scope).map_err(|error| refused("the token could not be made", &error))?;
    ui.done(token.as_str(), &json!({"name": name, "scope": scope, "token": token.as_str()}))?;
    ui.note("This is shown once. A program sends it as a header, never in an address: Authorization: Bearer TOKEN");
    if place.config().is_ok_and(|config| config.api.auth == ApiAuth::SameUser) {
        ui.note("The daemon asks for no tokens yet: write api.auth = \"token\" into config.toml and start it again.");
    }
    Ok(())
}

fn refused(what: &str, error: &TokenError) -> CliError {
    let (code, hint) = match error {
        TokenError::BadName => ("bad_name", "for example: ocmesh token new dashboard --scope read"),
        TokenError::Taken(_) => ("token_taken", "choose another name, or first: ocmesh token revoke NAME"),
        TokenError::Unknown(_) => ("token_unknown", "ocmesh token list"),
        TokenError::Full => ("tokens_full", "revoke one that is not used: ocmesh token list"),
        TokenError::Io(_) => ("tokens_unusable", "ocmesh doctor"),
    };
    CliError::could_not(code, what).why(chain(error)).hint(hint)
}

fn made_at(token: &NamedToken) -> Option<String> {
    OffsetDateTime::from(token.made_at?).format(&time::format_description::well_known::Rfc3339).ok()
}

fn render(tokens: &[NamedToken], now: OffsetDateTime) -> String {
    let rows: Vec<Vec<String>> = tokens
        .iter()
        .map(|token| {
            let made = made_at(token).map(|at| age(&at, now)).unwrap_or_default();
            vec![safe(&token.name), token.scope.as_str().to_owned(), made]
        })
        .collect();
    table(&["NAME", "SCOPE", "MADE"], &rows)
}

impl From<ScopeWord> for Scope {
    fn from(word: ScopeWord) -> Self {
        match word {
            ScopeWord::Read => Self::Read,
            ScopeWord::Send => Self::Send,
            ScopeWord::Admin => Self::Admin,
        }
    }
}
