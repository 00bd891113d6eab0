//! The relay server's engine over both rosters, the fixed one of core and the growing one of host.
#![cfg(not(loom))]

use chat_core::limits::DATAGRAM_BYTES_MAX;
use chat_core::refusal::RefusalReason;
use chat_core::relay::Message;
use chat_core::relay::server::{Counters, FixedRoster, Local, Roster, Server, Slot};
use chat_host::relay::server::GrowingRoster;
use std::net::SocketAddr;
use tests::udp::{GREETING, datagram, message, probe};

/// How many clients each roster under test takes.
const CAPACITY: u32 = 4;

/// Runs a scenario over both rosters.
macro_rules! over_both_rosters {
    ($($(#[$attribute:meta])* fn $name:ident($server:ident) $body:block)+) => {$(
        $(#[$attribute])*
        #[test]
        fn $name() {
            fn scenario<R: Roster>(mut $server: Server<'_, R>) $body
            let (mut payloads, mut slots) = (vec![[0; DATAGRAM_BYTES_MAX]; 2], vec![Slot::EMPTY; 2]);
            scenario(Server::new(FixedRoster::<{ CAPACITY as usize }>::new(), &mut payloads, &mut slots));
            let (mut payloads, mut slots) = (vec![[0; DATAGRAM_BYTES_MAX]; 2], vec![Slot::EMPTY; 2]);
            scenario(Server::new(GrowingRoster::new(Some(CAPACITY)), &mut payloads, &mut slots));
        }
    )+};
}

/// The address of a client by its number.
fn address(index: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, index], 4_000))
}

/// Hands the server a datagram that came to its own address number 7.
fn deliver<R: Roster>(server: &mut Server<'_, R>, source: SocketAddr, bytes: &[u8]) {
    server.handle_datagram(source, Local(7), bytes);
}

/// Clients 1 to `count` greet.
fn greet<R: Roster>(server: &mut Server<'_, R>, count: u8) {
    for index in 1..=count {
        deliver(server, address(index), &datagram(&[GREETING]));
    }
}

/// Takes all datagrams that are to be sent: for each one its recipient, and its items in words.
fn drain<R: Roster>(server: &mut Server<'_, R>) -> Vec<(SocketAddr, Vec<String>)> {
    let sent: Vec<_> = server
        .outputs()
        .map(|transmit| {
            let items = chat_core::datagram::open(chat_core::relay::PROTOCOL, transmit.bytes).unwrap();
            let words = items.map(|item| match Message::decode(item.unwrap()).unwrap() {
                Message::Incoming { number, sender, text } => format!("{number} {sender} {}", text.as_str()),
                Message::Refused { reason } => format!("refused {}", u16::from(reason)),
                Message::Probed { echo } => format!("probed {:?}", echo.as_bytes()),
                other => panic!("a server does not send {other:?}"),
            });
            (transmit.to, words.collect())
        })
        .collect();
    server.handle_sent(sent.len());
    assert_eq!(server.outputs().count(), 0);
    sent
}

/// Compares all counters; those that the caller does not name are 0.
fn check_counters<R: Roster>(server: &Server<'_, R>, expected: Counters) {
    assert_eq!(*server.counters(), expected);
}

over_both_rosters! {
    fn message_without_greeting_is_ignored_and_counted(server) {
        deliver(&mut server, address(1), &datagram(&[message(1, "hi")]));
        assert_eq!(drain(&mut server), []);
        check_counters(&server, Counters { datagrams: 1, messages_unregistered: 1, ..Counters::ZERO });
    }

    fn one_client_hears_itself(server) {
        greet(&mut server, 1);
        deliver(&mut server, address(1), &datagram(&[message(7, "hi")]));
        assert_eq!(drain(&mut server), [(address(1), vec!["7 192.0.2.1:4000 hi".to_owned()])]);
        check_counters(&server, Counters { clients: 1, datagrams: 2, messages: 1, sent: 1, ..Counters::ZERO });
    }

    fn full_roster_serves_everybody_once_in_the_order_of_their_greeting(server) {
        greet(&mut server, 4);
        deliver(&mut server, address(3), &datagram(&[message(1, "to all")]));
        let receivers: Vec<_> = drain(&mut server).into_iter().map(|(to, _)| to).collect();
        assert_eq!(receivers, [1, 2, 3, 4].map(address));
    }

    fn one_too_many_is_refused_with_no_more_bytes_than_it_sent(server) {
        greet(&mut server, 4);
        let greeting = datagram(&[GREETING]);
        deliver(&mut server, address(5), &greeting);
        assert!(server.outputs().all(|transmit| transmit.bytes.len() <= greeting.len()));
        let refused = format!("refused {}", u16::from(RefusalReason::Full));
        assert_eq!(drain(&mut server), [(address(5), vec![refused])]);
        deliver(&mut server, address(5), &datagram(&[message(1, "hi")]));
        assert_eq!(drain(&mut server), []);
        let expected = Counters { clients: 4, datagrams: 6, greetings_refused: 1, messages_unregistered: 1, sent: 1, ..Counters::ZERO };
        check_counters(&server, expected);
    }

    fn full_roster_still_knows_those_it_has(server) {
        greet(&mut server, 4);
        greet(&mut server, 4);
        assert_eq!(drain(&mut server), []);
        check_counters(&server, Counters { clients: 4, datagrams: 8, greetings_repeated: 4, ..Counters::ZERO });
    }

    fn greeting_twice_gets_every_message_once(server) {
        greet(&mut server, 1);
        greet(&mut server, 1);
        deliver(&mut server, address(1), &datagram(&[GREETING, GREETING, message(1, "once")]));
        assert_eq!(drain(&mut server).len(), 1);
        assert_eq!(server.counters().greetings_repeated, 3);
    }

    fn greeting_and_message_in_one_datagram_are_both_taken(server) {
        deliver(&mut server, address(1), &datagram(&[GREETING, message(9, "first")]));
        assert_eq!(drain(&mut server), [(address(1), vec!["9 192.0.2.1:4000 first".to_owned()])]);
    }

    fn message_before_the_greeting_of_its_own_datagram_is_ignored(server) {
        deliver(&mut server, address(1), &datagram(&[message(9, "early"), GREETING]));
        assert_eq!(drain(&mut server), []);
        assert_eq!(server.counters().messages_unregistered, 1);
    }

    fn messages_of_one_round_share_a_datagram(server) {
        greet(&mut server, 2);
        deliver(&mut server, address(1), &datagram(&[message(1, "a"), message(2, "b")]));
        deliver(&mut server, address(2), &datagram(&[message(3, "c")]));
        let words = ["1 192.0.2.1:4000 a", "2 192.0.2.1:4000 b", "3 192.0.2.2:4000 c"].map(str::to_owned).to_vec();
        assert_eq!(drain(&mut server), [(address(1), words.clone()), (address(2), words)]);
    }

    fn newcomer_between_two_messages_gets_the_second_alone(server) {
        greet(&mut server, 1);
        deliver(&mut server, address(1), &datagram(&[message(1, "before")]));
        deliver(&mut server, address(2), &datagram(&[GREETING]));
        deliver(&mut server, address(1), &datagram(&[message(2, "after")]));
        let sent = drain(&mut server);
        let newcomers: Vec<_> = sent.iter().filter(|(to, _)| *to == address(2)).collect();
        assert_eq!(newcomers, [&(address(2), vec!["2 192.0.2.1:4000 after".to_owned()])]);
        assert_eq!(sent.len(), 3);
    }

    fn mapped_ipv4_is_the_same_client_and_shown_as_ipv4(server) {
        greet(&mut server, 1);
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:4000".parse().unwrap();
        deliver(&mut server, mapped, &datagram(&[GREETING, message(1, "hi")]));
        assert_eq!(drain(&mut server), [(address(1), vec!["1 192.0.2.1:4000 hi".to_owned()])]);
        assert_eq!(server.counters().clients, 1);
    }

    fn client_is_answered_from_where_it_last_greeted(server) {
        greet(&mut server, 2);
        server.handle_datagram(address(2), Local(9), &datagram(&[GREETING, message(1, "hi")]));
        let locals: Vec<_> = server.outputs().map(|transmit| transmit.local).collect();
        assert_eq!(locals, [Local(7), Local(9)]);
        assert_eq!(server.counters().greetings_repeated, 1);
        server.handle_sent(2);
        server.handle_datagram(address(3), Local(5), &datagram(&[probe(b"")]));
        assert_eq!(server.outputs().next().unwrap().local, Local(5));
    }

    fn probe_is_answered_to_the_sender_alone_with_its_echo(server) {
        greet(&mut server, 2);
        let sent = datagram(&[probe(&[7; 64])]);
        deliver(&mut server, address(9), &sent);
        assert!(server.outputs().all(|transmit| transmit.bytes.len() == sent.len()));
        assert_eq!(drain(&mut server), [(address(9), vec![format!("probed {:?}", [7; 64])])]);
        check_counters(&server, Counters { clients: 2, datagrams: 3, probes: 1, sent: 1, ..Counters::ZERO });
    }

    fn datagram_gets_one_answer_however_many_it_asks_for(server) {
        let many = [probe(b"a"), probe(b"b"), probe(b"c")];
        deliver(&mut server, address(9), &datagram(&many));
        assert_eq!(drain(&mut server), [(address(9), vec![format!("probed {:?}", b"a")])]);
        assert_eq!(server.counters().answers_dropped, 2);
    }

    fn answers_beyond_the_queue_are_dropped_and_counted(server) {
        for _ in 0..chat_core::limits::RELAY_ANSWERS_MAX + 3 {
            deliver(&mut server, address(9), &datagram(&[probe(b"")]));
        }
        assert_eq!(server.counters().answers_dropped, 3);
        assert_eq!(drain(&mut server).len(), chat_core::limits::RELAY_ANSWERS_MAX);
    }

    fn full_ring_drops_messages_and_still_serves_greetings(server) {
        greet(&mut server, 1);
        let long = "x".repeat(1_024);
        for number in 1..=3 {
            deliver(&mut server, address(1), &datagram(&[message(number, &long)]));
        }
        deliver(&mut server, address(2), &datagram(&[GREETING]));
        assert_eq!((server.counters().messages, server.counters().messages_dropped), (2, 1));
        assert_eq!(server.counters().clients, 2);
        assert_eq!(drain(&mut server).len(), 2);
        deliver(&mut server, address(2), &datagram(&[message(4, &long)]));
        assert_eq!(drain(&mut server).len(), 2);
    }

    fn unreachable_client_is_skipped_and_the_others_served(server) {
        greet(&mut server, 3);
        deliver(&mut server, address(1), &datagram(&[message(1, "hi")]));
        server.handle_sent(1);
        assert_eq!(server.outputs().next().unwrap().to, address(2));
        server.handle_unreachable();
        let receivers: Vec<_> = drain(&mut server).into_iter().map(|(to, _)| to).collect();
        assert_eq!(receivers, [address(3)]);
        assert_eq!((server.counters().sent, server.counters().unreachable), (2, 1));
    }

    fn looking_at_outputs_changes_nothing(server) {
        greet(&mut server, 2);
        deliver(&mut server, address(1), &datagram(&[message(1, "hi")]));
        assert_eq!(server.outputs().count(), 2);
        assert_eq!(server.outputs().count(), 2);
        server.handle_sent(0);
        assert_eq!(server.outputs().count(), 2);
    }

    fn what_cannot_be_served_is_counted_by_its_kind(server) {
        let mut overlong = datagram(&[GREETING]);
        overlong.resize(1_201, 0);
        let mut other_version = datagram(&[GREETING]);
        other_version[3] = 9;
        deliver(&mut server, address(1), b"");
        deliver(&mut server, address(1), b"CHR\x01");
        deliver(&mut server, address(1), b"GET / HTTP/1.1\r\n");
        deliver(&mut server, address(1), &overlong);
        deliver(&mut server, address(1), &other_version);
        deliver(&mut server, "192.0.2.1:0".parse().unwrap(), &datagram(&[GREETING]));
        // An unknown tag, a malformed item, padding, an item that only servers send, a good item, and a length past the end.
        deliver(&mut server, address(1), b"CHR\x01\x01\x06\x02\x01\x80\x00\x02\x03\x14\x02\x00\x00\x09\x01");
        server.handle_receive_dropped(5);
        let expected = Counters {
            clients: 1, datagrams: 7, foreign: 3, overlong: 1, other_version: 1, unanswerable: 1, items_unknown: 1,
            items_malformed: 1, items_misdirected: 1, items_truncated: 1, receive_dropped: 5, ..Counters::ZERO
        };
        check_counters(&server, expected);
    }
}
