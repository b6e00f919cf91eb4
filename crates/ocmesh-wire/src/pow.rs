//! Proof of work ([NIP-13](https://github.com/nostr-protocol/nips/blob/master/13.md)): zero bits at the front of an event's id, and a
//! `nonce` tag that says how many were meant. How many are asked for, and of whom, is not known here.

use ocmesh_proto::{EventId, PubKey, SealRefused, limit::WORK_BITS_MAX};
use sha2::{Digest, Sha256};

use crate::{
    event::{Template, serialised},
    tag::{self, Tags, tag},
};

/// Hashes between two looks at whether anybody still waits: less than a millisecond.
const LOOK_EVERY: u64 = 256;
/// So many times the hashes that are needed on average are tried: not to find any is as good as impossible then.
const PATIENCE: u64 = 64;
const NONCE: &str = "nonce";

/// Zero bits at the front of an id.
pub(crate) fn zero_bits(id: &EventId) -> u32 {
    let mut bits = 0u32;
    for byte in id.as_bytes() {
        bits = bits.saturating_add(byte.leading_zeros());
        if *byte != 0 {
            break;
        }
    }
    bits
}

/// The work that an event shows, as it claims: no more than it committed to, so that nobody waits for a lucky one; none without a
/// commitment.
pub(crate) fn work(id: &EventId, tags: &Tags) -> u32 {
    let Some([_, target, ..]) = tag::all(tags, NONCE).next() else { return 0 };
    target.parse::<u32>().map_or(0, |target| target.min(zero_bits(id)))
}

/// Finds a nonce that gives the event's id so many zero bits, and adds its tag.
///
/// # Errors
/// Nobody waits any more, or none was found in [`PATIENCE`] times the usual time.
pub(crate) fn mine(template: &mut Template, author: &PubKey, bits: u32, give_up: &dyn Fn() -> bool) -> Result<(), SealRefused> {
    if bits > WORK_BITS_MAX {
        return Err(SealRefused("more work than we do for anybody"));
    }
    let spelled = |nonce: u64| format!("{nonce:016x}");
    let placeholder = spelled(0);
    template.tags.push(tag([NONCE, &placeholder, &bits.to_string()]));
    let text = serialised(author, template.created_at, template.kind, &template.tags, &template.content);
    // The tags are ours and stand before the content, so the first place is the nonce's.
    let mark = format!("[\"{NONCE}\",\"");
    let split = text.windows(mark.len()).position(|window| window == mark.as_bytes()).map(|at| at.saturating_add(mark.len()));
    let parts = split.and_then(|at| Some((text.get(..at)?, text.get(at.saturating_add(placeholder.len())..)?)));
    let (before, after) = parts.ok_or(SealRefused("the nonce was lost"))?;
    let begun = Sha256::new().chain_update(before);
    let tries = PATIENCE.saturating_mul(1u64 << bits);
    for nonce in 0..tries {
        if nonce % LOOK_EVERY == 0 && give_up() {
            return Err(SealRefused("nobody waits for the work any more"));
        }
        let spelling = spelled(nonce);
        let id = EventId::from_bytes(begun.clone().chain_update(&spelling).chain_update(after).finalize().into());
        if zero_bits(&id) >= bits {
            template.tags.pop();
            template.tags.push(tag([NONCE, &spelling, &bits.to_string()]));
            return Ok(());
        }
    }
    Err(SealRefused("no work was found"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::id_of, keys::Keys};

    fn id(text: &str) -> EventId {
        text.parse().unwrap()
    }

    #[test]
    fn zero_bits_are_counted_as_the_nip_counts_them() {
        // From NIP-13: its own table of digits, its prose, and its example of an event.
        for (front, bits) in [
            ("f", 0),
            ("8", 0),
            ("7", 1),
            ("4", 1),
            ("3", 2),
            ("2", 2),
            ("1", 3),
            ("002f", 10),
            ("0000", 256),
            ("000000000e9d97a1ab09fc381030b346cdd7a142ad57e6df0b46dc9bef6c7e2d", 36),
            ("000006d8c378af1779d2feebc7603a125d99eca0ccf1085959b307f64e5dd358", 21),
        ] {
            assert_eq!(zero_bits(&id(&format!("{front:0<64}"))), bits, "{front}");
        }
    }

    #[test]
    fn the_example_of_the_nip_shows_what_it_committed_to() {
        let event: crate::event::Event = crate::event::object(
            r#"{"id":"000006d8c378af1779d2feebc7603a125d99eca0ccf1085959b307f64e5dd358",
            "pubkey":"a48380f4cfcc1ad5378294fcac36439770f9c878dd880ffa94bb74ea54a6f243","created_at":1651794653,"kind":1,
            "tags":[["nonce","776797","20"]],"content":"It's just me mining my own business",
            "sig":"284622fc0a3f4f1303455d5175f7ba962a3300d136085b9566801bc2e0699de0c7e31e44c81fb40ad9049173742e904713c3594a1da0fc5d2382a25c11aba977"}"#,
        )
        .unwrap();
        assert!(event.is_genuine());
        assert_eq!((zero_bits(&event.id), work(&event.id, &event.tags)), (21, 20));
    }

    #[test]
    fn work_counts_as_far_as_it_was_meant() {
        let found = id(&format!("{:0<64}", "002f")); // 10 bits
        let shown = |text: &str| {
            let tags: Tags = text.split(';').map(|tag| tag.split(',').map(str::to_owned).collect()).collect();
            work(&found, &tags)
        };
        assert_eq!(shown("p,x;nonce,1,8"), 8);
        assert_eq!(shown("nonce,1,10"), 10);
        assert_eq!(shown("nonce,1,24"), 10, "nor more than there is");
        for none in ["", "nonce", "nonce,1", "nonce,1,", "nonce,1,-1", "nonce,1,0x8", "p,1,8"] {
            assert_eq!(shown(none), 0, "{none:?}");
        }
        assert_eq!(shown("nonce,1,4;nonce,1,10"), 4, "the first one counts");
    }

    #[test]
    fn what_is_mined_has_the_bits_and_says_how_many_were_meant() {
        let author = Keys::generate().public();
        for bits in [1, 5, 11] {
            let tags = vec![tag(["p", &author.to_hex()])];
            let content = r#"a "nonce" and ["nonce","0000000000000000","1"] of somebody"#.to_owned();
            let mut template = Template { created_at: 1_800_000_000, kind: 1059, tags, content };
            mine(&mut template, &author, bits, &|| false).unwrap();
            let id = id_of(&author, template.created_at, template.kind, &template.tags, &template.content);
            assert!(zero_bits(&id) >= bits);
            assert_eq!(work(&id, &template.tags), bits);
            assert_eq!(template.tags.len(), 2);
        }
    }

    #[test]
    #[ignore = "reason: a measurement; run with cargo test -p ocmesh-wire what_work_costs -- --ignored --nocapture"]
    #[allow(clippy::print_stdout)]
    fn what_work_costs() {
        const TRIES: u32 = 20;
        let author = Keys::generate().public();
        for bits in [12, 16] {
            let began = std::time::Instant::now();
            for number in 0..TRIES {
                let content = format!("{number:02000}");
                let mut template = Template { created_at: 1_800_000_000, kind: 1059, tags: Vec::new(), content };
                mine(&mut template, &author, bits, &|| false).unwrap();
            }
            println!("{bits} bits for an event of 2,000 characters: {:?} on average", began.elapsed() / TRIES);
        }
    }

    #[test]
    fn mining_ends_when_nobody_waits_and_is_never_more_than_we_do() {
        let author = Keys::generate().public();
        let template = || Template { created_at: 1, kind: 1059, tags: Vec::new(), content: "x".to_owned() };
        let looks = std::cell::Cell::new(0);
        let give_up = || {
            looks.set(looks.get() + 1);
            looks.get() > 3
        };
        let refused = mine(&mut template(), &author, WORK_BITS_MAX, &give_up).unwrap_err();
        assert!(refused.to_string().contains("nobody waits"), "{refused}");
        assert!(mine(&mut template(), &author, WORK_BITS_MAX + 1, &|| true).unwrap_err().to_string().contains("more work"));
    }
}
