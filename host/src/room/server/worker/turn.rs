//! What a worker does with one connection: takes it, reads and writes when its socket is ready, ends it.

use super::{Accepted, Phase, REFUSED_MAX, Worker, context, desk};
use crate::clock;
use crate::room::server::connection::{Connection, Engine};
use crate::room::server::poller::{Event, Interest};
use crate::room::server::stream;
use chat_core::refusal::RefusalReason;
use chat_core::room::server::{Config, Counter};

impl Worker {
    /// Takes the connections that were accepted.
    pub(super) fn admit(&mut self) {
        while let Ok(Accepted { stream, origin, refusal }) = self.setup.accepted.try_recv() {
            match refusal {
                None => self.setup.counters.add(Counter::Connections, 1),
                Some(reason) if self.lingering_count >= REFUSED_MAX => {
                    stream::turn_away(stream.socket, reason);
                    continue;
                }
                Some(_) => {}
            }
            let place = self.connections.vacant_entry();
            let key = place.key();
            let watched = || self.setup.poller.add(&stream.socket, key, Interest::READABLE).is_ok();
            if stream.socket.set_nonblocking(true).is_err() || !watched() {
                // The connection cannot be served, so it is closed, which its client sees.
                self.setup.counters.add(Counter::ConnectionsFailed, 1);
                self.setup.addresses.disconnect(origin, clock::now());
                continue;
            }
            let mut engine = Engine::new(clock::now(), origin);
            let is_late = self.phase != Phase::Serving;
            if let Some(reason) = refusal.or(is_late.then_some(RefusalReason::ShuttingDown)) {
                engine.refuse(reason);
            }
            place.insert(Connection::new(stream, engine));
            self.go_on(key);
        }
    }

    /// A socket is ready: reads from it if it may, and writes. A connection that has failed is read as far as it may be now, and then
    /// ended: nobody waits for the turn of frames of a client that is gone.
    pub(super) fn turn(&mut self, key: usize, ready: Event) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.lingering.is_some() {
            if !connection.drain(&mut self.buffer) {
                self.remove(key);
            }
            return;
        }
        let mut outcome = Ok(());
        if ready.readable && connection.interest.readable && self.pausing {
            connection.engine.pause();
        } else if ready.readable && connection.interest.readable {
            let mut desk = desk(&self.setup, &self.ring);
            outcome = connection.read(context(&self.setup), &mut desk, &mut self.decoder, &mut self.buffer);
        }
        match outcome {
            Ok(()) if !ready.failed || connection.engine.wants_bytes() > 0 => self.go_on(key),
            _ => self.end(key),
        }
    }

    /// Something has changed for a connection: does what is due, takes waiting frames, and writes.
    pub(super) fn change(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key).filter(|connection| connection.lingering.is_none()) else {
            return;
        };
        let mut desk = desk(&self.setup, &self.ring);
        connection.engine.handle_timeout(context(&self.setup), &mut desk, &mut self.decoder);
        self.go_on(key);
    }

    /// Writes the connection's own frames and the frames of the journal that it lacks, then settles it.
    fn go_on(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        match connection.flush(clock::now(), &desk(&self.setup, &self.ring)) {
            Ok(()) => self.settle(key),
            Err(_) => self.end(key),
        }
    }

    /// Brings a connection's events in the poller and its instant in the schedule up to date; ends it if its engine has ended.
    pub(super) fn settle(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let is_blocked = connection.is_blocked();
        let Connection { stream, engine, interest, scheduled, .. } = connection;
        self.pausing |= engine.is_paused();
        if engine.is_ended() {
            return self.end(key);
        }
        let (config, now) = (&self.setup.config, clock::now());
        let wanted = Interest { readable: engine.wants_bytes() > 0, writable: is_blocked };
        self.schedule.schedule_by(key, scheduled, engine.poll_timeout(config, now));
        if self.setup.poller.change(&stream.socket, key, *interest, wanted).is_err() {
            self.setup.counters.add(Counter::ConnectionsFailed, 1);
            return self.end(key);
        }
        *interest = wanted;
    }

    /// A connection is gone or is closed now. A client that was put out may still read the reason.
    pub(super) fn end(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Config { linger_max, linger_closing_max, .. } = self.setup.config;
        let linger_max = if self.phase == Phase::Serving { linger_max } else { linger_closing_max };
        let may_linger = connection.close(&mut desk(&self.setup, &self.ring));
        let until = may_linger.then(|| connection.linger(clock::now() + linger_max)).flatten();
        let wanted = Interest::READABLE;
        let Connection { stream, interest, scheduled, .. } = connection;
        if until.is_none() {
            return self.remove(key);
        }
        self.lingering_count += 1;
        if self.setup.poller.change(&stream.socket, key, *interest, wanted).is_err() {
            self.setup.counters.add(Counter::ConnectionsFailed, 1);
            return self.remove(key);
        }
        *interest = wanted;
        self.schedule.remove(key, scheduled);
        self.schedule.schedule_by(key, scheduled, until);
    }

    /// Closes a connection's socket.
    pub(super) fn remove(&mut self, key: usize) {
        if let Some(mut connection) = self.connections.try_remove(key) {
            self.schedule.remove(key, &mut connection.scheduled);
            self.lingering_count -= usize::from(connection.lingering.is_some());
            self.setup.addresses.disconnect(connection.engine.origin(), clock::now());
        }
    }
}
