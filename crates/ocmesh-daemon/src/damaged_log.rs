//! What the owner is told when the log of the database was found damaged.

use ocmesh_store::DamagedLog;

use crate::{home::Home, http::moment};

/// The damaged logs that are kept in this home.
#[must_use]
pub fn beside(home: &Home) -> Vec<DamagedLog> {
    DamagedLog::beside(&home.database())
}

/// A sentence or two for `/status` and `ocmesh doctor`.
#[must_use]
pub fn words(log: &DamagedLog) -> String {
    let (from, until) = (moment::write(log.from), moment::write(log.until));
    let what = match (log.certain, log.writes) {
        (true, 0) => format!("the end of the database's log was damaged; what was stored between {from} and {until} is lost"),
        (true, writes) => {
            format!("the database's log was damaged; some {writes} writes behind the damage, made between {from} and {until}, are lost")
        }
        (false, _) => format!(
            "the last write to the database, at {until}, was not whole; a power cut does that and loses nothing, but if it was damage, that \
             write and the one before may be lost"
        ),
    };
    let kept = log.kept.display();
    format!(
        "{what}. Relays bring again what was received; what was sent then may have to be sent again. The log as it was is kept in {kept}: move \
         that away when this is settled"
    )
}

#[cfg(test)]
mod tests {
    use ocmesh_proto::At;

    use super::*;

    #[test]
    fn the_owner_reads_what_is_certain_and_what_is_not() {
        let log = DamagedLog {
            kept: "/h/ocmesh.db.damaged-log-1".into(),
            certain: true,
            writes: 7,
            from: At(1_790_000_000_000),
            until: At(1_790_000_060_500),
        };
        let said = words(&log);
        assert!(
            said.contains("some 7 writes behind the damage, made between 2026-09-21T14:13:20.000Z and 2026-09-21T14:14:20.500Z, are lost")
        );
        assert!(said.contains("is kept in /h/ocmesh.db.damaged-log-1"));
        assert!(words(&DamagedLog { writes: 0, ..log.clone() }).contains("is lost"));
        assert!(words(&DamagedLog { certain: false, writes: 1, ..log }).contains("a power cut does that and loses nothing"));
    }
}
