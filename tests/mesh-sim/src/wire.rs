//! Datagrams as the simulator sees them: opened, written in words, and made for attacks.

use chat_core::datagram::{Datagram, open};
use chat_core::mesh::{Item, PROTOCOL, PeerId, Token};

/// The items of a datagram that can be read, in their order.
pub fn items(bytes: &[u8]) -> Vec<Item<'_>> {
    let Ok(items) = open(PROTOCOL, bytes) else { return Vec::new() };
    items.filter_map(|item| Item::decode(item.ok()?).ok()).collect()
}

/// Calls `each` with every item, and with what a VIA holds; the id is of who speaks.
pub fn visit(bytes: &[u8], mut each: impl FnMut(PeerId, bool, &Item<'_>)) {
    let items = items(bytes);
    let Some(Item::From { id, .. }) = items.first() else { return };
    for item in &items {
        match item {
            Item::Via { from, item, .. } => {
                if let Ok(inner) = Item::decode(item) {
                    each(*from, true, &inner);
                }
            }
            item => each(*id, false, item),
        }
    }
}

/// A datagram in words.
pub fn describe(bytes: &[u8]) -> String {
    let words: Vec<String> = items(bytes).iter().map(describe_item).collect();
    format!("{} ({} bytes)", words.join("  "), bytes.len())
}

/// One item in words.
fn describe_item(item: &Item<'_>) -> String {
    match item {
        Item::Rows { after, until, rows } => {
            let rows: Vec<String> = rows
                .iter()
                .map(|row| match row {
                    Ok(row) => {
                        let standing = format!("{:?}", row.standing);
                        let state: String = standing.chars().take_while(|letter| letter.is_alphanumeric()).collect();
                        format!("{:?}/{}/{state}", row.id, row.incarnation)
                    }
                    Err(_) => "?".to_owned(),
                })
                .collect();
            format!("Rows {{ {after:?}..{until:?} [{}] }}", rows.join(", "))
        }
        Item::Heads { head, vector, pairs } => {
            let pairs: Vec<String> =
                pairs.iter().flatten().map(|pair| format!("{:?}:{}", pair.origin, pair.number)).collect();
            format!("Heads {{ {head} {vector:?} [{}] }}", pairs.join(", "))
        }
        Item::Vector { after, until, pairs } => {
            let pairs: Vec<String> =
                pairs.iter().flatten().map(|pair| format!("{:?}:{}", pair.origin, pair.number)).collect();
            format!("Vector {{ {after:?}..{until:?} [{}] }}", pairs.join(", "))
        }
        Item::Recent { no_giver, pairs } => {
            let pairs: Vec<String> =
                pairs.iter().flatten().map(|pair| format!("{:?}:{}", pair.origin, pair.number)).collect();
            format!("Recent {{ no_giver: {no_giver} [{}] }}", pairs.join(", "))
        }
        Item::Via { target, from, item } => {
            let inner = Item::decode(item).map_or_else(|_| "?".to_owned(), |inner| describe_item(&inner));
            format!("Via {{ {from:?} to {target:?}: {inner} }}")
        }
        Item::Say(say) => {
            let text: String = say.text.as_str().chars().take(12).collect();
            format!("Say {{ {:?}:{} lamport {} flags {} {text:?} }}", say.origin, say.number, say.lamport, say.flags)
        }
        item => format!("{item:?}"),
    }
}

/// A datagram of somebody who calls itself `id`, with these items, padded to `length` bytes.
pub fn forge(id: PeerId, incarnation: u32, token: Token, items: &[Item<'_>], length: usize) -> Vec<u8> {
    let mut datagram = Datagram::EMPTY;
    datagram.begin(PROTOCOL);
    // The items of the attacks are short: they fit.
    datagram.push(&Item::From { id, incarnation, token }).expect("it fits");
    items.iter().for_each(|item| datagram.push(item).expect("it fits"));
    let mut bytes = datagram.as_bytes().to_vec();
    bytes.resize(bytes.len().max(length), 0);
    bytes
}
