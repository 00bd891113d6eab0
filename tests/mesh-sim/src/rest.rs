//! What must hold at rest: when there have been no faults for a while.

use crate::check::{Checks, is_live, key_of};
use crate::node::Node;
use crate::promise::Promises;
use crate::scenario::{Action, Scenario};
use crate::violation::{Checked, check};
use crate::watch::Watch;
use chat_core::mesh::{PeerId, Phase, State};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Most bytes of payload that a peer sends in a second at rest.
const COST_BYTES_MAX: u64 = 450;

/// Members of a group in which whoever lacks a message asks all.
const ASKED_MAX: usize = 3;

/// How long after a member has gone everybody has what it said.
const SETTLED_MS: u64 = 15_000;

/// Checks all of it.
///
/// # Errors
/// The first rule that does not hold.
pub fn check_all(scenario: &Scenario, now_ms: u64, nodes: &[&Node<'_>], checks: &mut Checks) -> Checked {
    let members: Vec<&Node<'_>> = nodes.iter().copied().filter(|node| node.peer.phase() == Phase::Member).collect();
    everybody_is_decided(now_ms, nodes, checks)?;
    // Who is left alone may be cut off, and keeps the others.
    if members.len() > 1 {
        one_group(now_ms, &members)?;
    }
    if checks.promises.names_are_won {
        every_name_has_a_member(now_ms, &members, checks)?;
    }
    derived_names(now_ms, &members)?;
    everybody_is_told(now_ms, &members, checks)?;
    everything_was_shown(now_ms, &members, checks)?;
    let Promises { members_stay, fetches, .. } = checks.promises;
    let one_group = fetches && checks.tally.founded == 1;
    if one_group && checks.tally.lost == 0 && (members_stay || were_all_there(checks)) {
        same_recent(now_ms, &members)?;
    }
    if one_group && members_stay {
        hand_over(now_ms, &members, checks)?;
    }
    let bytes = checks.tally.rest_bytes;
    check("MESH-REST-5", now_ms, bytes <= COST_BYTES_MAX || !is_cheap(scenario, now_ms), || {
        format!("{bytes} bytes a second and peer at rest")
    })
}

/// Whether answers come before a probe asks others, nobody is held dead and pinged, and what was said last is no news any more.
fn is_cheap(scenario: &Scenario, now_ms: u64) -> bool {
    let link = scenario.link;
    let is_near = 2 * (link.delay_ms + link.spread_ms + link.jitter_ms) < 150;
    let says = scenario.steps.iter().filter(|step| matches!(step.action, Action::Say(..)));
    let said_ms = says.map(|step| step.at_ms).max().unwrap_or(0);
    is_near
        && said_ms + 36_000 < now_ms
        && !scenario
            .steps
            .iter()
            .any(|step| matches!(step.action, Action::Attack(..) | Action::Cut(..) | Action::Sleep(..)))
        && !scenario.steps.iter().any(|step| matches!(step.action, Action::Crash(_)))
}

/// Everybody is a member or was refused.
fn everybody_is_decided(now_ms: u64, nodes: &[&Node<'_>], checks: &Checks) -> Checked {
    for node in nodes {
        let phase = node.peer.phase();
        let decided = matches!(phase, Phase::Member | Phase::Ended);
        check("MESH-REST-1", now_ms, decided, || format!("{} is still {phase:?}", node.slot))?;
    }
    let timeout = |watch: &&Watch| watch.refused.as_deref() == Some("JoinTimeout") && !watch.refused_deaf;
    let timeout = checks.watches.iter().find(timeout);
    check("MESH-LIVE-2", now_ms, timeout.is_none() || !checks.promises.timed, || {
        format!("{} was neither admitted nor refused in time", timeout.map_or(0, |watch| watch.slot))
    })
}

/// Of all who claimed a name one has it.
fn every_name_has_a_member(now_ms: u64, members: &[&Node<'_>], checks: &Checks) -> Checked {
    let taken: HashSet<&str> = members.iter().map(|node| watch_of(checks, node).key.as_str()).collect();
    let stays = |watch: &&Watch| watch.gone_ms.is_none() && !watch.refused_deaf;
    // Whoever had the name when it was asked for must not have gone since.
    let went = |watch: &Watch| {
        let gone_ms = checks.watches.iter().filter(|other| other.key == watch.key).filter_map(|other| other.gone_ms);
        gone_ms.max().is_some_and(|gone_ms| gone_ms > watch.started_ms)
    };
    let vain = |watch: &&Watch| !taken.contains(watch.key.as_str()) && !went(watch);
    let vain = checks.watches.iter().filter(stays).find(vain);
    check("MESH-LIVE-3", now_ms, vain.is_none(), || {
        format!("nobody is {:?}", vain.map(|watch| (&watch.name, &watch.refused)))
    })
}

/// All members have the same live rows, which are theirs.
fn one_group(now_ms: u64, members: &[&Node<'_>]) -> Checked {
    let expected: BTreeSet<(PeerId, u32)> =
        members.iter().map(|node| (node.peer.id(), node.peer.incarnation())).collect();
    for node in members {
        let rows: BTreeSet<(PeerId, u32)> = node
            .peer
            .members(node.instant(now_ms))
            .filter(|row| is_live(row.state))
            .map(|row| (row.id, row.incarnation))
            .collect();
        check("MESH-REST-1", now_ms, rows == expected, || {
            let (lacks, beyond): (Vec<_>, Vec<_>) =
                (expected.difference(&rows).collect(), rows.difference(&expected).collect());
            format!("the table of {} lacks {lacks:?} and has {beyond:?} beyond the members", node.slot)
        })?;
        let hash = node.peer.table_digest();
        check("MESH-REST-1", now_ms, hash == members[0].peer.table_digest(), || {
            format!("the table hash of {} differs", node.slot)
        })?;
    }
    Ok(())
}

/// Of one key the k-th by (rank, id) has the number k.
fn derived_names(now_ms: u64, members: &[&Node<'_>]) -> Checked {
    for node in members {
        let mut by_key: BTreeMap<String, Vec<(u64, PeerId, u16)>> = BTreeMap::new();
        for row in node.peer.members(node.instant(now_ms)).filter(|row| row.state == State::Member) {
            let same = by_key.entry(key_of(row.name.name.as_str())).or_default();
            same.push((row.rank, row.id, row.name.number.max(1)));
        }
        for (key, mut same) in by_key {
            same.sort_unstable();
            let right = same.iter().zip(1..).all(|((_, _, number), expected)| *number == expected);
            check("MESH-REST-1", now_ms, right, || format!("the members named {key} are {same:?} for {}", node.slot))?;
        }
    }
    Ok(())
}

/// The users know who is there, and under which full names.
fn everybody_is_told(now_ms: u64, members: &[&Node<'_>], checks: &Checks) -> Checked {
    for node in members {
        let own = node.peer.id();
        let mut told = watch_of(checks, node).told.clone();
        told.entry(own).or_insert(1);
        let rows = node.peer.members(node.instant(now_ms)).filter(|row| row.state == State::Member);
        let there: BTreeMap<PeerId, u16> = rows.map(|row| (row.id, row.name.number.max(1))).collect();
        check("MESH-REST-1", now_ms, told == there, || {
            format!("the user of {} was told of {told:?}, there are {there:?}", node.slot)
        })?;
    }
    Ok(())
}

/// Every message of a member that stayed was shown by all that stayed, or counted as lost.
fn everything_was_shown(now_ms: u64, members: &[&Node<'_>], checks: &Checks) -> Checked {
    for node in members {
        let vector: HashMap<PeerId, u32> =
            node.peer.vector().iter().map(|entry| (entry.origin(), entry.number())).collect();
        let watch = watch_of(checks, node);
        for origin in members {
            let (id, head) = (origin.peer.id(), origin.peer.head());
            let number = vector.get(&id).copied();
            check("MESH-REST-2", now_ms, number == Some(head), || {
                format!("{} is at {number:?} of {}, who said {head}", node.slot, origin.slot)
            })?;
            let shown = watch.shown.get(&id);
            let last = shown.filter(|shown| shown.base.is_some()).map(|shown| shown.last);
            check("MESH-REST-2", now_ms, last.is_none_or(|last| last == head), || {
                format!("{} has shown up to {last:?} of {}, who said {head}", node.slot, origin.slot)
            })?;
            // Whom it welcomed it has heard from the beginning.
            let welcomed = checks.promises.members_stay
                && watch_of(checks, origin).welcomers.contains(&watch.id)
                && watch.handed_over_ms.is_some_and(|since_ms| since_ms < watch_of(checks, origin).claim_ms);
            let base = shown.map_or(0, |shown| shown.base.unwrap_or(0));
            check("MESH-REST-2", now_ms, !welcomed || head == 0 || (base == 0 && last == Some(head)), || {
                format!(
                    "{} begins behind {base} of {}, whom it welcomed, and has {shown:?} of {head}",
                    node.slot, origin.slot
                )
            })?;
        }
    }
    Ok(())
}

/// Whether everybody who is or was there had what went before when somebody first could not reach everybody, and none has gone since.
/// (Where groups met, or somebody joined in another part, each began with what the other said from then on; and what only somebody who
/// has gone has heard is not looked for.)
fn were_all_there(checks: &Checks) -> bool {
    let Some(parted_ms) = checks.promises.parted_ms else { return true };
    checks.watches.iter().all(|watch| {
        watch.handed_over_ms.is_some_and(|since_ms| since_ms < parted_ms)
            && watch.gone_ms.is_none_or(|gone_ms| gone_ms + SETTLED_MS < parted_ms)
    })
}

/// All would hand over the same messages.
fn same_recent(now_ms: u64, members: &[&Node<'_>]) -> Checked {
    let recent =
        |node: &Node<'_>| -> Vec<(PeerId, u32)> { node.peer.recent().map(|pair| (pair.origin, pair.number)).collect() };
    for node in members {
        let (own, first) = (recent(node), recent(members[0]));
        check("MESH-REST-3", now_ms, own == first, || {
            format!("{} would hand over {own:?}, {} {first:?}", node.slot, members[0].slot)
        })?;
    }
    Ok(())
}

/// Every message that a live member showed, at or above the lowest of a newcomer's ten, was shown by the newcomer exactly once.
fn hand_over(now_ms: u64, members: &[&Node<'_>], checks: &mut Checks) -> Checked {
    let mut unfetched = 0;
    for node in members {
        let watch = watch_of(checks, node);
        let Some(admitted_ms) = watch.admitted_ms.filter(|_| !watch.founded) else { continue };
        let place = |of: &(PeerId, u32)| checks.said.get(of).map(|said| (said.lamport, of.0));
        let lowest = if watch.ten.len() < 10 { None } else { watch.ten.iter().filter_map(place).min() };
        let older: Vec<&Watch> = members
            .iter()
            .map(|other| watch_of(checks, other))
            .filter(|other| other.admitted_ms.is_some_and(|since_ms| since_ms < admitted_ms))
            .collect();
        let messages: HashSet<(PeerId, u32)> = older.iter().flat_map(|other| all_shown(other)).collect();
        // Who lacks a message asks its origin, whoever told of it, and two more. When all four say that they do not have it, it counts as lost
        // at once, though a fifth may have it; and who joins begins with the vector of somebody who has counted it so.
        let is_lost = |of: &(PeerId, u32)| members.len() > ASKED_MAX && older.iter().any(|other| has_lost(other, *of));
        for of in messages.iter().filter(|of| place(of) >= lowest && !is_lost(of)) {
            if !has_shown(watch, *of) {
                unfetched += 1;
                check("MESH-LIVE-6", now_ms, false, || {
                    format!("{} has not shown {of:?}, at {:?}, its history begins at {lowest:?}", node.slot, place(of))
                })?;
            }
        }
    }
    checks.tally.unfetched += unfetched;
    Ok(())
}

/// All that a peer has shown.
fn all_shown(watch: &Watch) -> Vec<(PeerId, u32)> {
    let mut all = Vec::new();
    for (origin, shown) in &watch.shown {
        all.extend(shown.history.iter().map(|&number| (*origin, number)));
        let Some(base) = shown.base else { continue };
        let live = base + 1..=shown.last;
        let lost = |number: u32| shown.lost_spans.iter().any(|(first, last)| (*first..=*last).contains(&number));
        all.extend(live.filter(|&number| !lost(number)).map(|number| (*origin, number)));
    }
    all
}

/// Whether a peer has counted this message as lost.
fn has_lost(watch: &Watch, (origin, number): (PeerId, u32)) -> bool {
    let spans = watch.shown.get(&origin).map(|shown| &shown.lost_spans);
    spans.into_iter().flatten().any(|(first, last)| (*first..=*last).contains(&number))
}

/// Whether a peer has shown this message, or counted it as lost.
fn has_shown(watch: &Watch, (origin, number): (PeerId, u32)) -> bool {
    let Some(shown) = watch.shown.get(&origin) else { return false };
    let live = shown.base.is_some_and(|base| number + shown.lost > base && number <= shown.last);
    live || shown.history.contains(&number)
}

/// What was seen of a running peer.
fn watch_of<'c>(checks: &'c Checks, node: &Node<'_>) -> &'c Watch {
    &checks.watches[checks.running[node.slot].expect("it runs")]
}
