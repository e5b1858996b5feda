"""Any sequence of what logs and people do with artifacts leaves what a small model says."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.e2e.artifact_logs import Log, by_id, new_id, settled

CONTENTS = [b"zero", b"one", b"two"]
NAMES = ["alpha", "beta"]
ALIASES = ["best", "good"]

NAME, ALIAS = st.sampled_from(NAMES), st.sampled_from(ALIASES)
STEP = st.one_of(
    st.tuples(st.just("log"), NAME, st.integers(0, 2), st.lists(ALIAS, unique=True)),
    st.tuples(st.just("late"), NAME, st.lists(ALIAS, unique=True)),
    st.tuples(st.just("arrive"), st.integers(0, 20)),
    st.tuples(st.just("again"), st.integers(0, 20)),
    st.tuples(st.just("alias"), NAME, st.integers(0, 3), ALIAS),
    st.tuples(st.just("unalias"), NAME, ALIAS),
    st.tuples(st.just("delete"), NAME, st.integers(0, 3)),
    st.tuples(st.just("link"), st.integers(0, 20), st.lists(ALIAS, unique=True)),
    st.tuples(st.just("unlink"), st.integers(0, 3)),
)


class Model:
    """Collections as dicts: version number to artifact, alias to version number."""

    def __init__(self):
        self.versions: dict[str, dict[int, str]] = {}
        self.aliases: dict[str, dict[str, int]] = {}
        self.now = 0
        self.said: dict[tuple[str, str], int] = {}
        """When an alias was last pointed somewhere."""
        self.first: dict[tuple[str, int], int] = {}
        """When a version was first logged."""
        self.queues: dict[str, list[tuple[str, tuple[str, object], list[str], int]]] = {}
        """What was logged and is no version yet, of each name in the order of logging."""
        self.awaited: dict[str, object] = {}
        """What has not all come: its content."""
        self.links: list[tuple[str, list[str], int]] = []
        self.next: dict[str, int] = {}
        self.contents: dict[str, tuple[str, object]] = {}
        self.same: dict[str, str] = {}
        self.gone: set[str] = set()

    def add(self, name, artifact, aliases, *, when):
        """Make an artifact a version, if it is none.

        Aliases and `latest` point to it unless they were pointed elsewhere later.
        """
        versions = self.versions.setdefault(name, {})
        number = {one: at for at, one in versions.items()}.get(artifact)
        if number is None:
            number = self.next.get(name, 0)
            self.next[name] = number + 1
            versions[number] = artifact
            self.first[name, number] = when
        for alias in [*aliases, "latest"]:
            self.point(name, alias, number, when=when)

    def point(self, name, alias, number, *, when):
        aliases = self.aliases.setdefault(name, {})
        if alias not in aliases or self.said[name, alias] <= when:
            aliases[alias] = number
            self.said[name, alias] = when

    def queue(self, key, what, aliases):
        self.queues.setdefault(what[0], []).append((key, what, aliases, self.now))

    def commit(self):
        """Make versions of what has come and waits for nothing; returns their keys."""
        done = []
        for queue in self.queues.values():
            while queue and queue[0][0] not in self.awaited:
                key, what, aliases, when = queue.pop(0)
                self.log(key, what, aliases, when=when)
                done.append(key)
                for link in [link for link in self.links if link[0] == key]:
                    self.links.remove(link)
                    self.link(*link)
        return done

    def link(self, key, aliases, when):
        artifact = self.same.get(key, key)
        if key in self.waiting():
            self.links.append((key, aliases, when))
        elif artifact not in self.gone:
            self.add("shelf", artifact, aliases, when=when)

    def waiting(self):
        return {one[0] for queue in self.queues.values() for one in queue}

    def log(self, key, what, aliases, *, when):
        name, _ = what
        for one, has in self.contents.items():
            if has == what and one not in self.gone:
                self.same[key] = one
                self.add(name, one, aliases, when=when)
                return
        self.contents[key] = what
        self.add(name, key, aliases, when=when)

    def remove(self, name, number):
        del self.versions[name][number]
        aliases = self.aliases[name]
        was_latest = aliases.get("latest") == number
        for alias in [alias for alias, at in aliases.items() if at == number]:
            del aliases[alias]
        if was_latest and self.versions[name]:
            newest = max(self.versions[name], key=lambda at: self.first[name, at])
            aliases["latest"] = newest
            self.said[name, "latest"] = self.first[name, newest]

    def delete(self, artifact):
        self.gone.add(artifact)
        for name, versions in self.versions.items():
            for number in [at for at, one in versions.items() if one == artifact]:
                self.remove(name, number)

    def listed(self, name):
        aliases = self.aliases.get(name, {})
        return [
            (f"v{at}", one, sorted(alias for alias, to in aliases.items() if to == at))
            for at, one in sorted(self.versions.get(name, {}).items(), reverse=True)
        ]


class Real:
    """The same at a server, in a project of its own."""

    def __init__(self, server):
        self.server, self.project = server, f"m{new_id()}"
        self.log = Log(server, project=self.project)
        self.log.say()
        self.path = f"/api/v1/projects/local/{self.project}/artifacts"
        self.keys: list[str] = []

    def ask(self, path, body=None, method="GET"):
        return self.server.ask(self.path + path, body, method=method)[0]

    def listed(self, name):
        status, _, data = self.server.ask(f"{self.path}/{name}")
        if status == 404:
            return []
        found = json.loads(data)
        return [(one["version"], one["id"], one["aliases"]) for one in found["list"]]


def step(model, real, done):
    """Do one thing at both."""
    what, *rest = done
    if what == "log":
        name, content, aliases = rest
        key = real.log.log(name, {"a": CONTENTS[content]}, aliases=[*aliases, "latest"])
        model.queue(key, (name, content), aliases)
        real.keys.append(key)
    elif what == "late":
        name, aliases = rest
        content = f"late {new_id()}".encode()
        said = {"aliases": [*aliases, "latest"], "late": [content]}
        key = real.log.log(name, {"a": content}, **said)
        model.awaited[key] = content
        model.queue(key, (name, content), aliases)
        real.keys.append(key)
    elif what == "arrive":
        if model.awaited:
            key = list(model.awaited)[rest[0] % len(model.awaited)]
            real.log.upload(model.awaited.pop(key))
    elif what == "again":
        real.log.forget()
        real.log.say()
    elif what == "alias":
        name, number, alias = rest
        body = {"aliases_add": [alias]}
        is_there = number in model.versions.get(name, {})
        status = real.ask(f"/{name}/v{number}", body, "PATCH")
        assert status == (200 if is_there else 404)
        if is_there:
            model.point(name, alias, number, when=model.now)
    elif what == "unalias":
        name, alias = rest
        is_there = alias in model.aliases.get(name, {})
        status = real.ask(f"/{name}/{alias}", {"aliases_remove": [alias]}, "PATCH")
        assert status == (200 if is_there else 404)
        model.aliases.get(name, {}).pop(alias, None)
    else:
        remove_or_link(model, real, done)


def remove_or_link(model, real, done):
    what, *rest = done
    if what == "delete":
        name, number = rest
        is_there = number in model.versions.get(name, {})
        status = real.ask(f"/{name}/v{number}?aliases=1", method="DELETE")
        assert status == (204 if is_there else 404)
        if is_there:
            model.delete(model.versions[name][number])
    elif what == "link" and real.keys:
        number, aliases = rest
        key = real.keys[number % len(real.keys)]
        real.log.link(key, f"local/{real.project}/shelf", aliases)
        model.link(key, aliases, model.now)
    elif what == "unlink":
        is_there = rest[0] in model.versions.get("shelf", {})
        status = real.ask(f"/shelf/links/v{rest[0]}", method="DELETE")
        assert status == (204 if is_there else 404)
        if is_there:
            model.remove("shelf", rest[0])


@pytest.fixture(scope="module")
def held(running_server, tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("held"), "--blob-grace-secs", "0") as server:
        yield server


@pytest.mark.slow
@pytest.mark.timeout(300)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(STEP, max_size=12))
def test_any_sequence_leaves_what_the_model_says(held, steps):
    model, real = Model(), Real(held)
    for model.now, one in enumerate(steps):
        step(model, real, one)
        for key in model.commit():
            assert settled(held, key)["state"] == "committed"
        for name in (*NAMES, "shelf"):
            assert real.listed(name) == model.listed(name)
    for key in real.keys:
        artifact = model.same.get(key, key)
        found = by_id(held, key)
        if key in model.waiting():
            assert found["state"] == "pending"
            continue
        assert found["id"] == artifact
        assert found["state"] == ("deleted" if artifact in model.gone else "committed")
