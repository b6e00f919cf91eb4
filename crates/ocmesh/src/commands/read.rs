//! `ocmesh read`: acknowledges messages.

use ocmesh_api::ReadRequest;

use super::{Place, find, from_client};
use crate::{cli::ReadArgs, error::CliError, ui::Ui};

pub(crate) async fn run(ui: &Ui, place: &Place, args: ReadArgs) -> Result<(), CliError> {
    let client = place.client()?;
    let request = if args.all {
        ReadRequest { ids: None, all: Some(true) }
    } else {
        let mut ids = Vec::with_capacity(args.id.len());
        for id in &args.id {
            ids.push(find::message_id(&client, id).await?);
        }
        ReadRequest { ids: Some(ids), all: None }
    };
    let marked = client.mark_read(&request).await.map_err(from_client)?;
    let shown = match marked.marked {
        0 => "Nothing was unread.".to_owned(),
        1 => "1 message marked read.".to_owned(),
        many => format!("{many} messages marked read."),
    };
    ui.done(shown, &marked)
}
