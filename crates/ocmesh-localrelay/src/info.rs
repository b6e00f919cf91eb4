//! The relay's document about itself ([NIP-11](https://github.com/nostr-protocol/nips/blob/master/11.md)).

use serde_json::json;

use crate::options::RelayOptions;

pub(crate) fn document(options: &RelayOptions) -> String {
    let limits = &options.limits;
    let mut nips = vec![1, 9, 11, 40, 45, 77];
    if options.auth.challenges() {
        nips.extend([42, 70]);
    }
    nips.sort_unstable();
    json!({
        "name": options.name,
        "description": options.description,
        "supported_nips": nips,
        "software": env!("CARGO_PKG_REPOSITORY"),
        "version": env!("CARGO_PKG_VERSION"),
        "limitation": {
            "max_message_length": limits.frame_bytes_max,
            "max_subscriptions": limits.subscriptions_max,
            "max_limit": limits.events_per_filter_max,
            "default_limit": limits.events_per_filter_max,
            "max_subid_length": 64,
            "max_event_tags": limits.tags_max,
            "max_content_length": limits.event_bytes_max,
            "created_at_upper_limit": limits.future_seconds_max,
            "auth_required": options.auth.needed_to_read(),
            "restricted_writes": options.auth.needed_to_write(),
            "payment_required": false,
            "min_pow_difficulty": 0,
        },
    })
    .to_string()
}
