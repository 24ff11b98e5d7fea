# SPDX-License-Identifier: MIT
"""What was sent, acknowledged, received and archived; and what must hold between them."""

import collections


class Message:
    """One numbered message; its key is its origin id, `to` the name of an account or a room."""

    def __init__(self, key, sender, device, number, to):
        self.key, self.sender, self.device = key, sender, device
        self.number, self.to = number, to
        self.acked = self.refused = self.again = False


class Row:
    """What an archive says of a message."""

    def __init__(self, id_, key, sender):
        self.id, self.key, self.sender = id_, key, sender


class Ledger:
    """See the head of this file."""

    def __init__(self):
        self.messages = {}
        self.faults = []

    def fault(self, text):
        self.faults.append(text)

    def note(self, key, sender, device, number, to):
        self.messages[key] = Message(key, sender, device, number, to)
        return self.messages[key]

    def acknowledged(self):
        return [m for m in self.messages.values() if m.acked and not m.refused]

    # -- checks -----------------------------------------------------------------------

    def check(self, accounts):
        """accounts: by name, with .rows (of the archive, in order), the .ids of all, .devices."""
        counts = {name: collections.Counter(row.key for row in a.rows)
                  for name, a in accounts.items()}
        for message in self.acknowledged():
            for name in self._places(message, accounts):
                self._check_row(message, name, counts[name][message.key])
            self._check_received(message, accounts[message.to])
        for message in self.messages.values():
            for name in self._places(message, accounts):
                if counts[name][message.key] > 1 and not message.again:
                    self.fault("%s is %d times in the archive of %s and was sent once" % (
                        message.key, counts[name][message.key], name))
        for name, account in accounts.items():
            self._check_order(name, account)
            self._check_pages(name, account)

    @staticmethod
    def _places(message, accounts):
        """Where it has a row: what is said in a room has one there only."""
        return {message.to} if accounts[message.to].is_room else {message.sender, message.to}

    def _check_row(self, message, name, count):
        if count == 0:
            self.fault("LOST: %s was acknowledged and is not in the archive of %s" % (
                message.key, name))

    def _check_received(self, message, account):
        having = [d for d in account.devices if message.key in d.received]
        for device in account.devices:
            if device.catches_up and device not in having:
                self.fault("LOST: %s was acknowledged and %s never got it" % (
                    message.key, device.name))
        if not having:
            self.fault("LOST: %s was acknowledged and no device of %s got it" % (
                message.key, account.name))

    def _check_order(self, name, account):
        """Last rows of each sending device stand in the order of its numbers. Of a message that was
        sent again the first may stand anywhere: what came before it can have been refused, and
        the error lost with the session."""
        last, seen = {}, set()
        for row in reversed(account.rows):
            message = self.messages.get(row.key)
            if (message is None or row.key in seen or not message.acked or message.refused or
                    message.to != name):
                continue
            seen.add(row.key)
            if last.get(message.device, message.number) < message.number:
                self.fault("%s%s stands before %d in the archive of %s" % (
                    row.key, ", sent again," if message.again else "", last[message.device],
                    name))
            last[message.device] = message.number

    def _check_pages(self, name, account):
        ids = [row.id for row in account.rows]
        if len(set(ids)) != len(ids):
            self.fault("an id is twice in the archive of %s" % name)
        places = {id_: place for place, id_ in enumerate(ids)}
        for device in account.devices:
            for live in device.live_ids:
                self._check_live(device, [places[id_] for id_ in live if id_ in places])
            unknown = [id_ for id_ in device.ids if id_ not in account.ids]
            if unknown:
                self.fault("%s was given %d ids that the archive does not know, the first: %s" % (
                    device.name, len(unknown), device.ids[unknown[0]]))
            if not device.catches_up:
                continue
            missing = [row for row in account.rows if row.id not in device.ids
                       and not (row.sender == name and not device.pages_only)]
            if missing:
                self.fault("%s paged with `after` and missed %d rows, the first: %s" % (
                    device.name, len(missing), missing[0].key))

    def _check_live(self, device, places):
        """What came in one session came in the order of the archive."""
        for one, next_ in zip(places, places[1:]):
            if next_ < one:
                self.fault("row %d came behind row %d in one session of %s" % (
                    next_, one, device.name))
