//! What happens next.

use std::time::Duration;

use quipu::{Durability, ErrorKind, ExpectedVersion};
use quipu_disk::Errno;

use super::World;
use crate::checker::{Checked, Rule, ensure};
use crate::content::{TAGS, TYPES};
use crate::history::{Condition, Item, Stream};
use crate::random::Random;
use crate::subject::{Attempt, Done, Failure, Sticky, Submission, Wish};

const CURSORS_MAX: usize = 3;

impl World {
    pub(super) fn step(&mut self) -> Checked {
        let fate = self.random.below(10_000);
        if fate < self.profile.crashes {
            return self.crash_or_close();
        }
        if fate < self.profile.crashes + self.profile.errors {
            return self.trouble();
        }
        if self.subject.faults.is_poisoned() && self.random.percent(5) {
            return self.give_up();
        }
        match self.random.below(1000) {
            0..320 => self.write(),
            320..545 => {
                self.copy();
                Ok(())
            }
            545..690 => self.take_job(),
            690..850 => self.finish_job(),
            850..900 => self.chore(),
            900..930 => self.subject.settle(),
            930..944 => self.read(),
            944..958 => self.ask(),
            958..972 => self.follow(),
            972..986 => self.subject.idle(),
            986..989 => self.look_around(),
            989..992 => self.come_between(),
            _ => {
                self.pass_time();
                Ok(())
            }
        }
    }

    /// Up to a second passes. Now and then somebody sets the clock: mostly back, and forward again by less than that, since
    /// a clock that was set forward holds the times of all that follows until it has caught up.
    pub(super) fn pass_time(&mut self) {
        let disk = self.subject.disk().clone();
        disk.advance(Duration::from_micros(self.random.number() >> 44));
        let us = (self.random.number() >> 40).cast_signed();
        match self.random.below(10) {
            0 => disk.set_clock(us >> 3),
            1..3 => disk.set_clock(-us),
            _ => {}
        }
    }

    pub(super) fn write(&mut self) -> Checked {
        let under_way = self.waiting.len() + self.subject.copies();
        let retries = !self.waiting.is_empty()
            && (under_way >= self.profile.writers || self.random.percent(50));
        let submission = if retries {
            if self.is_stuck {
                return self.go_on();
            }
            let chosen = self.random.below(self.waiting.len());
            self.waiting.swap_remove(chosen)
        } else if under_way < self.profile.writers {
            if self.random.percent(1) {
                let (wishes, durability) = self.wishes();
                return self.subject.refuse_twice(&wishes, durability);
            }
            self.new_or_again()
        } else {
            self.copy();
            return Ok(());
        };
        if let Attempt::Busy(submission) = self.subject.place(submission)? {
            self.waiting.push(submission);
            self.is_stuck = true;
        }
        Ok(())
    }

    /// Does some of what those wait for who found the store busy: before, asking again is in vain.
    fn go_on(&mut self) -> Checked {
        match self.random.below(4) {
            0 => self.copy(),
            1 => return self.take_job(),
            2 => return self.finish_job(),
            _ => return self.chore(),
        }
        Ok(())
    }

    /// A commit of its own, or one of before once more.
    fn new_or_again(&mut self) -> Submission {
        let random = &mut self.random;
        let again = match random.below(100) {
            0..6 => self.subject.compose_again(random),
            6..8 => self.subject.compose_otherwise(random),
            8 => self.subject.compose_overlap(random),
            _ => None,
        };
        if let Some(again) = again {
            return again;
        }
        let (wishes, durability) = self.wishes();
        let condition = self.random.percent(14).then(|| self.condition());
        if self.random.percent(5) {
            let random = &mut self.random;
            return self.subject.compose_unnamed(&wishes, condition, durability, random);
        }
        self.subject.compose(&wishes, condition, durability)
    }

    /// A condition that mostly holds, about what happened lately.
    fn condition(&mut self) -> Condition {
        let next = self.subject.checker().next_position();
        let after = match self.random.below(10) {
            0 => None,
            1..8 => next.checked_sub(1 + self.random.below(6) as u64),
            _ => next.checked_sub(1 + self.random.below(60) as u64),
        };
        Condition { items: self.items(), after }
    }

    /// Items of a query.
    pub(super) fn items(&mut self) -> Vec<Item> {
        let some = |random: &mut Random, of: usize, most: usize| {
            let count = random.below(most + 1);
            (0..count).map(|_| random.below(of)).collect()
        };
        let items = self.random.between(1, 2);
        let item = |random: &mut Random| Item {
            types: some(random, TYPES.len(), 2),
            tags: some(random, TAGS.len(), 2),
        };
        (0..items).map(|_| item(&mut self.random)).collect()
    }

    fn copy(&mut self) {
        if self.subject.copies() > 0 {
            self.subject.copy(self.random.below(self.subject.copies()));
        }
    }

    fn take_job(&mut self) -> Checked {
        let taken = self.subject.take_job()?;
        self.is_stuck &= !taken;
        Ok(())
    }

    pub(super) fn finish_job(&mut self) -> Checked {
        if !self.subject.can_finish_job() {
            return Ok(());
        }
        self.is_stuck = false;
        self.subject.finish_job()
    }

    pub(super) fn chore(&mut self) -> Checked {
        let did = self.subject.chore()?;
        self.is_stuck &= !did;
        Ok(())
    }

    /// What a writer wants: one to three streams, some of them only checked.
    pub(super) fn wishes(&mut self) -> (Vec<Wish>, Durability) {
        let events = if self.random.percent(75) { 1 } else { self.random.between(1, 6) };
        let streams = self.random.between(1, 3.min(self.profile.streams));
        let mut wishes: Vec<Wish> = (0..streams).map(|_| self.wish()).collect();
        if streams > 1 && self.random.percent(12) {
            self.name_twice(&mut wishes);
        }
        for event in 0..events {
            let chosen = if event == 0 { 0 } else { self.random.below(streams) };
            let bytes = self.payload_bytes();
            wishes[chosen].payloads.push(bytes);
        }
        let store = self.profile.options.durability;
        let other = if store == Durability::Sync { Durability::Os } else { Durability::Sync };
        let differs = self.random.percent(self.profile.other_durability);
        (wishes, if differs { other } else { store })
    }

    fn wish(&mut self) -> Wish {
        let stream = self.random.below(self.profile.streams);
        let stream = Stream::try_from(stream).unwrap_or_default();
        let head = self.subject.checker().head(stream);
        let right = head.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
        let expected = match self.random.below(36) {
            0..16 => ExpectedVersion::Any,
            16..32 => right,
            32 => ExpectedVersion::NoStream,
            33 => ExpectedVersion::StreamExists,
            34 => ExpectedVersion::Exact(head.map_or(0, |version| version + 1)),
            _ => ExpectedVersion::Exact(head.map_or(0, |version| version.saturating_sub(1))),
        };
        Wish { stream, expected, payloads: Vec::new() }
    }

    /// Two of the parts are about one stream. They expect different things of it, which are both true.
    fn name_twice(&mut self, wishes: &mut [Wish]) {
        let [first, second, ..] = wishes else { return };
        second.stream = first.stream;
        let Some(head) = self.subject.checker().head(first.stream) else { return };
        let exact = ExpectedVersion::Exact(head);
        let exists = ExpectedVersion::StreamExists;
        (first.expected, second.expected) =
            if self.random.percent(50) { (exact, exists) } else { (exists, exact) };
    }

    fn payload_bytes(&mut self) -> usize {
        let usual = self.profile.payload_bytes;
        match self.random.below(200) {
            0..20 => 0,
            20..196 => self.random.below(usual),
            196..199 => self.random.below(self.profile.options.buffer_bytes * 2),
            _ => {
                let most = usize::try_from(self.profile.options.segment_bytes_max);
                self.random.below(most.unwrap_or(usual) * 5 / 4)
            }
        }
    }

    pub(super) fn read(&mut self) -> Checked {
        let count = self.random.between(1, 60);
        if !self.cursors.is_empty()
            && (self.cursors.len() >= CURSORS_MAX || self.random.percent(50))
        {
            let chosen = self.random.below(self.cursors.len());
            let cursor = self.cursors.swap_remove(chosen);
            let rest = self.subject.read(cursor, count)?;
            self.cursors.extend(rest);
            return Ok(());
        }
        let next = usize::try_from(self.subject.checker().next_position()).unwrap_or(usize::MAX);
        // Mostly near the end, where things happen.
        let from = if self.random.percent(30) {
            self.random.below(next + 3)
        } else {
            next.saturating_sub(self.random.below(40))
        };
        let cursor = self.subject.cursor(from as u64)?;
        self.cursors.extend(cursor);
        Ok(())
    }

    /// A moment of rest, in which everything that is owed is done.
    fn look_around(&mut self) -> Checked {
        if self.subject.faults.is_poisoned() || self.subject.faults.is_full() {
            return Ok(());
        }
        self.subject.drain()?;
        if self.subject.is_off() || self.subject.faults.is_poisoned() {
            return Ok(());
        }
        self.subject.deliver_all()?;
        self.subject.read_from(0)
    }

    /// Plans that something goes wrong.
    fn trouble(&mut self) -> Checked {
        let disk = self.subject.disk().clone();
        let within = self.random.below(40) as u64;
        if self.subject.faults.is_full() {
            return self.free_room();
        }
        let armed = self.subject.faults.is_armed(disk.operations());
        let sticky = if self.random.percent(20) { Sticky::Yes } else { Sticky::No };
        match self.random.below(10) {
            0..3 if !armed => {
                let is_full = self.random.percent(33);
                let errno = if is_full { Errno::Full } else { self.errno() };
                // A job is one write or one sync: left to chance, few errors would meet either.
                let at_once = self.subject.can_finish_job() && self.random.percent(70);
                let within = if at_once { 0 } else { within };
                // What fails may have been done all the same.
                let done = match self.random.below(10) {
                    0..3 => Done::Wholly,
                    3..6 => Done::Partly,
                    _ => Done::Nothing,
                };
                let failure = Failure { errno, done };
                self.subject.faults.plan_error(&disk, failure, within, sticky);
                if at_once {
                    return self.finish_job();
                }
            }
            3..5 if !armed => self.halve(within, sticky),
            5 if !armed => return self.open_badly(),
            6 if !armed => self.subject.faults.plan_bad_sector(&disk, within),
            0..7 => {}
            _ => {
                let room = self.random.below(usize::from(u16::MAX)) as u64;
                self.subject.faults.limit_room(&disk, Some(room));
            }
        }
        Ok(())
    }

    /// Reads and writes do less than they were asked, or nothing at first, which nobody may notice.
    pub(super) fn halve(&mut self, within: u64, sticky: Sticky) {
        let disk = self.subject.disk().clone();
        if self.random.percent(50) {
            self.subject.faults.plan_short(&disk, within, sticky);
        } else {
            let times = self.random.between(1, 8) as u64;
            self.subject.faults.plan_interruptions(&disk, within, times);
        }
    }

    /// What a device says that fails: mostly the one error that the store asks for by its number.
    pub(super) fn errno(&mut self) -> Errno {
        match self.random.below(10) {
            0..7 => Errno::Io,
            7..9 => Errno::TimedOut,
            _ => Errno::Interrupted,
        }
    }

    /// Another process opens the store as one of its calls fails, and stays.
    fn open_badly(&mut self) -> Checked {
        let disk = self.subject.disk().clone();
        let (within, failure) = (self.random.below(30) as u64, Failure::clean(Errno::Io));
        self.subject.leave_elsewhere();
        if self.random.percent(50) {
            self.subject.faults.plan_error(&disk, failure, within, Sticky::No);
        } else {
            self.subject.faults.plan_bad_sector(&disk, within);
        }
        self.subject.open_elsewhere()
    }

    /// On a full disk every commit is answered, and once there is room the store goes on by itself.
    fn free_room(&mut self) -> Checked {
        let (wishes, durability) = self.wishes();
        if !self.subject.faults.is_poisoned() {
            self.subject.press(&wishes, durability)?;
        }
        let disk = self.subject.disk().clone();
        if self.subject.is_off() {
            return Ok(());
        }
        self.subject.read_from(0)?;
        let before = disk.operations();
        self.subject.faults.limit_room(&disk, None);
        let (wishes, durability) = self.wishes();
        if self.subject.is_off() || self.subject.faults.is_poisoned() {
            return Ok(());
        }
        let refused = self.subject.press(&wishes, durability)?;
        let is_full = self.subject.faults.was_full_since(before, disk.operations());
        let goes_on = refused != Some(ErrorKind::Full) || is_full;
        ensure(goes_on, Rule::Stuck, || "there is room again, and appends fail".to_owned())
    }
}
