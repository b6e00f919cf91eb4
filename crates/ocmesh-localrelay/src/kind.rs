//! What a kind number says about keeping an event ([NIP-01](https://github.com/nostr-protocol/nips/blob/master/01.md#kinds)).

pub(crate) const DIRECT_MESSAGE: u16 = 4;
pub(crate) const DELETION: u16 = 5;
pub(crate) const GIFT_WRAP: u16 = 1059;
pub(crate) const EPHEMERAL_GIFT_WRAP: u16 = 21_059;
pub(crate) const AUTH: u16 = 22_242;

/// How long an event is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// Every event.
    Regular,
    /// The newest of an author and kind.
    Replaceable,
    /// The newest of an author, kind and `d` tag.
    Addressable,
    /// Not at all.
    Ephemeral,
}

pub(crate) const fn keeping(kind: u16) -> Keeping {
    match kind {
        0 | 3 | 10_000..20_000 => Keeping::Replaceable,
        20_000..30_000 => Keeping::Ephemeral,
        30_000..40_000 => Keeping::Addressable,
        _ => Keeping::Regular,
    }
}

/// Kinds shown only to their author and recipients when clients can authenticate.
pub(crate) const fn is_private(kind: u16) -> bool {
    matches!(kind, DIRECT_MESSAGE | GIFT_WRAP | EPHEMERAL_GIFT_WRAP)
}
