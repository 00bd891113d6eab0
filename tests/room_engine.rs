//! The room over both rosters, the fixed one of core and the growing one of host.
#![cfg(not(loom))]

use chat_core::frame::{Decoder, Frame};
use chat_core::limits::{FRAME_STUFFED_BYTES_MAX, HISTORY_MESSAGES_MAX, PAGE_BYTES_MAX};
use chat_core::refusal::RefusalReason;
use chat_core::room::server::{
    Admission, Buffer as _, Config, Connection, Cursor, FixedBuffer, FixedRoster, History, Join, Journal, Mark,
    MemberId, Room, Roster, SayError, WallTime,
};
use chat_core::room::{Kind, Message, Names, Seen, Sequence};
use chat_host::room::server::buffer::GrowingBuffer;
use chat_host::room::server::roster::GrowingRoster;

/// How many members each roster under test takes.
const CAPACITY: u32 = 8;

/// The time of all messages, which does not matter.
const NOW: WallTime = WallTime { unix_ms: 1_700_000_000_000, trusted: true };

/// A room over this roster.
type TestRoom<R> = Room<R, Vec<u8>, Vec<Mark>, Vec<Frame>>;

/// An empty room whose journal keeps this many bytes.
fn room<R: Roster>(roster: R, journal_bytes: usize) -> TestRoom<R> {
    let journal = Journal::new(vec![0; journal_bytes], vec![Mark::default(); 64]);
    Room::new(Config::DEFAULT, 77, roster, journal, History::new(vec![Frame::EMPTY; HISTORY_MESSAGES_MAX]))
}

/// Runs a scenario over both rosters.
macro_rules! over_both_rosters {
    ($(fn $name:ident($room:ident) $body:block)+) => {$(
        #[test]
        fn $name() {
            fn scenario<R: Roster>(mut $room: TestRoom<R>) $body
            scenario(room(FixedRoster::<{ CAPACITY as usize }>::new(), 4_096));
            scenario(room(GrowingRoster::new(Some(CAPACITY)), 4_096));
        }
    )+};
}

/// Joins with a name; the token is one byte repeated.
fn join<R: Roster>(room: &mut TestRoom<R>, name: &str, token: u8) -> Result<(MemberId, Admission), RefusalReason> {
    rejoin(room, name, token, None)
}

/// Joins like [`join`], and names the last frame that was seen before.
fn rejoin<R: Roster>(
    room: &mut TestRoom<R>,
    name: &str,
    token: u8,
    seen: Option<Seen>,
) -> Result<(MemberId, Admission), RefusalReason> {
    room.join(NOW, &Join { name, token: [token; 16], seen }, &mut GrowingBuffer::default())
}

/// Says something.
fn say<R: Roster>(room: &mut TestRoom<R>, id: MemberId, number: u32, text: &str) -> Result<Sequence, SayError> {
    room.say(NOW, id, number, Kind::Plain, text)
}

/// Frames in words.
fn words(bytes: &[u8]) -> Vec<String> {
    let (mut decoder, mut input, mut words) = (Decoder::new(), bytes, Vec::new());
    while let Some(frame) = decoder.next_frame(&mut input) {
        words.push(match Message::decode(frame.unwrap()).unwrap() {
            Message::Said { sequence, number, name, text, .. } => format!("{} {name} {number} {text}", sequence.0),
            Message::Joined { sequence, name } => format!("{} +{name}", sequence.0),
            Message::Left { sequence, name } => format!("{} -{name}", sequence.0),
            other => panic!("the journal does not hold {other:?}"),
        });
    }
    words
}

/// The frames of the journal behind a cursor, in words.
fn live<R: Roster>(room: &TestRoom<R>, cursor: Cursor) -> Vec<String> {
    let (first, second) = room.journal().read(cursor).unwrap();
    words(&[first, second].concat())
}

/// All messages that an observer gets who has seen this, by their first characters, and how many it is told to have lost.
fn admitted<R: Roster>(room: &mut TestRoom<R>, seen: Option<Seen>) -> (Vec<String>, u64) {
    let mut owed = GrowingBuffer::default();
    let admission = room.observe(NOW, seen, &mut owed);
    let (first, second) = room.journal().read(admission.cursor).unwrap();
    let bytes = [owed.as_bytes(), first, second].concat();
    let (mut decoder, mut input, mut texts, mut lagged, mut last) = (Decoder::new(), &*bytes, Vec::new(), 0, None);
    while let Some(frame) = decoder.next_frame(&mut input) {
        match Message::decode(frame.unwrap()).unwrap() {
            Message::Said { sequence, text, .. } => {
                assert!(last.replace(sequence) < Some(sequence));
                texts.push(text[..3].to_owned());
            }
            Message::Lagged { messages } => {
                assert!(texts.is_empty());
                lagged = messages;
            }
            _ => {}
        }
    }
    assert_eq!(admission.lagged, lagged);
    assert_eq!(admission.welcome.messages + texts.len() as u64, admission_messages(room, &admission));
    (texts, lagged)
}

/// How many messages the room has said, the history of a newcomer counted twice, since it stands before `messages` of the WELCOME.
fn admission_messages<R: Roster>(room: &TestRoom<R>, admission: &Admission) -> u64 {
    room.journal().head().messages() + u64::from(admission.welcome.history)
}

/// The history that a newcomer gets, in words.
fn history<R: Roster>(room: &TestRoom<R>) -> Vec<String> {
    words(&room.history().iter().collect::<Vec<_>>().concat())
}

over_both_rosters! {
    fn names_are_unique_by_their_key_and_free_again_after_leaving(room) {
        let (ann, _) = join(&mut room, "Ann", 1).unwrap();
        for taken in ["Ann", "ann", "ANN"] {
            assert_eq!(join(&mut room, taken, 2).unwrap_err(), RefusalReason::NameTaken);
        }
        assert_eq!(room.member_count(), 1);
        assert!(room.leave(ann));
        assert!(!room.leave(ann));
        assert!(join(&mut room, "ANN", 2).is_ok());
    }

    fn bad_names_are_refused_with_the_reason_and_change_nothing(room) {
        let start = room.journal().head();
        for (name, reason) in [
            ("", RefusalReason::NameEmpty),
            ("abcdefghijklmnopqrstuvwxyz0123456", RefusalReason::NameOverlong),
            ("a b", RefusalReason::NameCharacter),
            ("a\u{7}b", RefusalReason::NameCharacter),
            ("e\u{301}", RefusalReason::NameNotComposed),
            ("-a", RefusalReason::NamePlacement),
            ("Bо\u{62}", RefusalReason::NameMixedScripts),
        ] {
            assert_eq!(join(&mut room, name, 1).unwrap_err(), reason, "{name:?}");
        }
        assert!(join(&mut room, "abcdefghijklmnopqrstuvwxyz012345", 1).is_ok());
        assert_eq!(live(&room, start).len(), 1);
    }

    fn full_room_refuses_newcomer_and_takes_one_when_somebody_left(room) {
        let mut ids = Vec::new();
        for index in 0..CAPACITY {
            ids.push(join(&mut room, &format!("m{index}"), 1).unwrap().0);
        }
        assert_eq!(join(&mut room, "late", 2).unwrap_err(), RefusalReason::Full);
        assert_eq!(join(&mut room, "m0", 2).unwrap_err(), RefusalReason::NameTaken);
        room.leave(ids[3]);
        let (late, _) = join(&mut room, "late", 2).unwrap();
        assert_eq!(late.slot, ids[3].slot);
        assert_eq!(say(&mut room, ids[3], 1, "ghost"), Err(SayError::Stale));
    }

    fn everybody_sees_one_order(room) {
        let (ann, first) = join(&mut room, "ann", 1).unwrap();
        let (bob, second) = join(&mut room, "bob", 2).unwrap();
        say(&mut room, ann, 1, "a").unwrap();
        say(&mut room, bob, 1, "b").unwrap();
        room.leave(bob);
        assert_eq!(live(&room, first.cursor), ["1 +bob", "2 ann 1 a", "3 bob 1 b", "4 -bob"]);
        assert_eq!(live(&room, second.cursor), ["2 ann 1 a", "3 bob 1 b", "4 -bob"]);
    }

    fn newcomer_gets_the_last_ten_messages_and_no_joins(room) {
        let (ann, _) = join(&mut room, "ann", 1).unwrap();
        for number in 1..=12 {
            let (guest, admission) = join(&mut room, "guest", 2).unwrap();
            assert_eq!(usize::from(admission.welcome.history), history(&room).len());
            assert_eq!(history(&room).len(), (number as usize - 1).min(10));
            room.leave(guest);
            say(&mut room, ann, number, &format!("m{number}")).unwrap();
        }
        let texts: Vec<_> = history(&room).iter().map(|words| words.split(' ').nth(3).unwrap().to_owned()).collect();
        assert_eq!(texts, (3..=12).map(|number| format!("m{number}")).collect::<Vec<_>>());
    }

    fn welcome_says_where_the_newcomer_stands(room) {
        let (ann, _) = join(&mut room, "ann", 1).unwrap();
        say(&mut room, ann, 1, "a").unwrap();
        let (_, Admission { lagged, welcome, .. }) = join(&mut room, "bob", 2).unwrap();
        assert_eq!((welcome.next, welcome.head, welcome.messages), (Sequence(3), Sequence(3), 1));
        assert_eq!((welcome.members, welcome.history, welcome.taken, lagged), (2, 1, 0, 0));
        assert_eq!((welcome.epoch, welcome.time_ms, welcome.time_trusted), (77, NOW.unix_ms, true));
    }

    fn refused_text_takes_neither_number_nor_sequence(room) {
        let (ann, _) = join(&mut room, "ann", 1).unwrap();
        let next = room.journal().next_sequence();
        assert_eq!(say(&mut room, ann, 1, ""), Err(SayError::Refused(RefusalReason::TextEmpty)));
        assert_eq!(say(&mut room, ann, 1, &"x".repeat(1_025)), Err(SayError::Refused(RefusalReason::TextOverlong)));
        assert_eq!(say(&mut room, ann, 1, &"x".repeat(1_024)), Ok(next));
    }

    fn number_that_was_taken_is_not_taken_again(room) {
        let (ann, admission) = join(&mut room, "ann", 1).unwrap();
        for number in [1, 2, 5] {
            say(&mut room, ann, number, "x").unwrap();
        }
        for number in [0, 1, 3, 5] {
            assert_eq!(say(&mut room, ann, number, "again"), Err(SayError::Doubled));
        }
        assert_eq!(live(&room, admission.cursor).len(), 3);
    }

    fn same_name_and_token_take_over_without_a_word_to_the_others(room) {
        let (old, admission) = join(&mut room, "ann", 1).unwrap();
        say(&mut room, old, 7, "before").unwrap();
        let seen = Seen { epoch: 77, sequence: Sequence(0), messages: 0 };
        let (new, again) = rejoin(&mut room, "Ann", 1, Some(seen)).unwrap();
        assert_eq!((new.slot, again.welcome.taken, again.welcome.history, again.lagged), (old.slot, 7, 0, 0));
        assert_eq!(live(&room, again.cursor), ["1 ann 7 before"]);
        assert_eq!(say(&mut room, old, 8, "ghost"), Err(SayError::Stale));
        assert!(!room.leave(old));
        say(&mut room, new, 8, "after").unwrap();
        assert_eq!(live(&room, admission.cursor), ["1 ann 7 before", "2 ann 8 after"]);
    }

    fn wrong_token_takes_nothing_over(room) {
        let (ann, _) = join(&mut room, "ann", 1).unwrap();
        assert_eq!(join(&mut room, "ann", 2).unwrap_err(), RefusalReason::NameTaken);
        assert!(room.is_current(ann));
        let (zero, _) = join(&mut room, "zero", 0).unwrap();
        assert_eq!(join(&mut room, "zero", 0).unwrap_err(), RefusalReason::NameTaken);
        assert!(room.is_current(zero));
    }

    fn member_that_was_gone_learns_what_was_taken_of_it_and_gets_what_it_missed(room) {
        let (ann, _) = join(&mut room, "ann", 1).unwrap();
        say(&mut room, ann, 3, "mine").unwrap();
        room.leave(ann);
        let seen = Seen { epoch: 77, sequence: Sequence(0), messages: 0 };
        let (_, again) = rejoin(&mut room, "ann", 1, Some(seen)).unwrap();
        assert_eq!(again.welcome.taken, 3);
        assert_eq!(live(&room, again.cursor), ["1 ann 3 mine", "2 -ann", "3 +ann"]);
    }

    fn seen_of_another_run_or_beyond_the_head_is_a_plain_join(room) {
        let (ann, _) = join(&mut room, "ann", 1).unwrap();
        say(&mut room, ann, 1, "a").unwrap();
        for (epoch, sequence) in [(78, 0), (77, 2), (77, u64::MAX)] {
            let seen = Seen { epoch, sequence: Sequence(sequence), messages: 0 };
            let (_, again) = rejoin(&mut room, "ann", 1, Some(seen)).unwrap();
            assert_eq!((again.welcome.history, again.cursor), (1, room.journal().head()), "{epoch} {sequence}");
        }
    }

    fn member_that_comes_back_too_late_is_told_exactly_what_it_lost(room) {
        let (ann, _) = join(&mut room, "ann", 1).unwrap();
        let mut seen = Seen { epoch: 77, sequence: Sequence(0), messages: 0 };
        for number in 1..=500 {
            let sequence = say(&mut room, ann, number, &format!("message {number}")).unwrap();
            if number == 20 {
                seen = Seen { epoch: 77, sequence, messages: 20 };
            }
        }
        let (_, again) = rejoin(&mut room, "ann", 1, Some(seen)).unwrap();
        let got = live(&room, again.cursor);
        assert!(got.len() < 480 && !got.is_empty());
        assert_eq!(usize::try_from(again.lagged).unwrap() + got.len(), 480);
        assert_eq!(got.last().unwrap(), "500 ann 500 message 500");
        assert!(got[0].starts_with(&format!("{} ", again.welcome.next.0)));
        assert_eq!(again.welcome.messages, 20 + again.lagged);
    }

    fn member_that_comes_back_too_late_gets_at_least_what_a_newcomer_gets(room) {
        let (bob, _) = join(&mut room, "bob", 1).unwrap();
        let mut sequences = Vec::new();
        for number in 1..=12 {
            sequences.push(say(&mut room, bob, number, &format!("{number}{}", "x".repeat(500))).unwrap());
        }
        // The ring has lost most of the last ten messages, and in the end all of them.
        for round in 0..200 {
            let (newcomer, newcomer_lagged) = admitted(&mut room, None);
            assert_eq!((newcomer.len(), newcomer_lagged), (10, 0));
            for (seen, &sequence) in sequences.iter().enumerate() {
                let messages = seen as u64 + 1;
                let (got, lagged) = admitted(&mut room, Some(Seen { epoch: 77, sequence, messages }));
                let missed = newcomer.len().min(11 - seen);
                assert_eq!(got, newcomer[newcomer.len() - missed..], "round {round}, seen {seen}");
                assert_eq!(usize::try_from(lagged).unwrap(), 11 - seen - missed);
            }
            let (ann, _) = join(&mut room, "a-long-name-that-fills-the-ring", 2).unwrap();
            room.leave(ann);
        }
    }

    fn observer_is_neither_named_nor_announced_nor_counted(room) {
        join(&mut room, "ann", 1).unwrap();
        let start = room.journal().head();
        let admission = room.observe(NOW, None, &mut GrowingBuffer::default());
        assert_eq!((admission.welcome.members, admission.cursor), (1, start));
        assert_eq!(live(&room, start), [""; 0]);
    }

    fn page_has_the_names_of_its_slots(room) {
        let mut ids = Vec::new();
        for name in ["ann", "bob", "cleo"] {
            ids.push(join(&mut room, name, 1).unwrap().0);
        }
        room.leave(ids[1]);
        let mut buffer = [0; PAGE_BYTES_MAX];
        let (length, more) = room.page(0, &mut buffer);
        assert_eq!(Names::new(&buffer[..length]).unwrap().iter().collect::<Vec<_>>(), ["ann", "cleo"]);
        assert!(!more);
        assert_eq!(room.page(u32::MAX, &mut buffer).0, 0);
    }
}

#[test]
fn seen_at_a_room_without_a_journal_goes_on_at_the_head_and_counts_what_is_lost() {
    let mut room = room(FixedRoster::<{ CAPACITY as usize }>::new(), 0);
    let (ann, _) = join(&mut room, "ann", 1).unwrap();
    for number in 1..=3 {
        say(&mut room, ann, number, "x").unwrap();
    }
    let seen = Seen { epoch: 77, sequence: Sequence(1), messages: 1 };
    let (_, again) = rejoin(&mut room, "ann", 1, Some(seen)).unwrap();
    let Admission { cursor, lagged, welcome, .. } = again;
    assert_eq!((welcome.next, welcome.head, welcome.messages), (Sequence(4), Sequence(4), 3));
    assert_eq!((welcome.history, welcome.taken, lagged, cursor), (0, 3, 2, room.journal().head()));
}

#[test]
fn joins_and_leaves_are_announced_in_rooms_up_to_the_limit_only() {
    let config = Config { announced_members_max: 2, ..Config::DEFAULT };
    let journal = Journal::new(vec![0; 4_096], vec![Mark::default(); 64]);
    let mut room: TestRoom<GrowingRoster> =
        Room::new(config, 77, GrowingRoster::new(None), journal, History::new(Vec::new()));
    let start = room.journal().head();
    let ids: Vec<_> = ["a", "b", "c"].map(|name| join(&mut room, name, 1).unwrap().0).into();
    ids.iter().for_each(|&id| assert!(room.leave(id)));
    assert_eq!(live(&room, start), ["0 +a", "1 +b", "2 -b", "3 -c"]);
}

#[test]
fn pages_of_a_large_room_hold_everybody_once() {
    let mut room = room(GrowingRoster::new(None), 1 << 16);
    let names: Vec<_> = (0..100).map(|index| format!("{index:032}")).collect();
    names.iter().for_each(|name| assert!(join(&mut room, name, 1).is_ok()));
    let mut found = Vec::new();
    for page in 0.. {
        let mut buffer = [0; PAGE_BYTES_MAX];
        let (length, more) = room.page(page, &mut buffer);
        found.extend(Names::new(&buffer[..length]).unwrap().iter().map(str::to_owned));
        if !more {
            break;
        }
    }
    assert_eq!(found, names);
}

#[test]
fn room_of_eight_fits_a_microcontroller() {
    /// A room of eight with 4 KiB of journal, all in place.
    type Small = Room<FixedRoster<8>, [u8; 4_096], [Mark; 8], [Frame; HISTORY_MESSAGES_MAX]>;
    /// A connection that takes one longest frame in each direction.
    type SmallConnection = Connection<FixedBuffer<{ FRAME_STUFFED_BYTES_MAX + 1 }>>;
    // Of the room's memory the history of ten longest messages takes 12 KB and the journal 4 KB; a connection takes two frames.
    let (room, connection) = (size_of::<Small>(), size_of::<SmallConnection>());
    assert!(room + size_of::<Decoder>() <= 21 << 10, "{room} bytes");
    assert!(connection <= 2_600, "{connection} bytes");
}
