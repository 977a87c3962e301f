"""What a round is trained with: graph, rules and model, fetched by the roots that a verified head names."""

from __future__ import annotations

from edge_client.core.draws import Draws
from edge_client.core.events import DropObject, SaveObject, SaveParams
from edge_client.core.identity import Identity
from edge_client.core.stored import Stored
from edge_client.core.trusted import TrustedHead
from edge_client.protocol.chunks import ObjectKind, blob_root
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.fetch import Fetched, Fetcher
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.machine import Publish
from edge_client.protocol.model import model_root
from edge_client.protocol.params import ParamsPair, RoundParams

PARAMS_BYTES = 2 * RoundParams.LAYOUT.size_bytes


class Materials:
    """Knows what is stored, asks for what is not."""

    def __init__(self, identity: Identity, genesis: Genesis, draws: Draws, stored: Stored) -> None:
        self._identity = identity
        self._genesis = genesis
        self._fetcher = Fetcher(draws.nonce)
        self._params = stored.params or ParamsPair(genesis.params, genesis.params)
        self._params_hash = self._params.hash()
        self._of_round: set[bytes] = set()
        self._graph_here = genesis.graph_root in stored.objects
        self._models = {stored.head.app.model_root} & stored.objects if stored.head else set()
        if genesis.model_root in stored.objects:
            self._models.add(genesis.model_root)

    @property
    def params(self) -> RoundParams:
        """The rules in force as far as we know them."""
        return self._params.in_force

    @property
    def graph_here(self) -> bool:
        """Whether the training graph is stored."""
        return self._graph_here

    def want_always(self, head: TrustedHead) -> None:
        """Fetch what every member needs: the training graph, and the rules that the head commits to."""
        root, rules = self._genesis.graph_root, head.state.params_hash
        if not self._graph_here and root not in self._fetcher:
            size_bytes = self._genesis.graph_bytes
            self._fetcher.want(ObjectKind.GRAPH, root, size_bytes, lambda data: blob_root(data) == root)
        if self._params_hash != rules and rules not in self._fetcher:
            self._of_round.add(rules)
            self._fetcher.want(ObjectKind.PARAMS, rules, PARAMS_BYTES, lambda data: _is_params(data, rules))

    def ready(self, head: TrustedHead) -> bool:
        """Whether everything for the open round is here; the model is fetched from now on if it is not."""
        model = head.app.model_root
        if model not in self._models and model not in self._fetcher:
            self._of_round.add(model)
            size_bytes = 4 * self._genesis.manifest.parameter_count
            self._fetcher.want(ObjectKind.MODEL, model, size_bytes, lambda data: model_root(data) == model)
        return self._graph_here and self._params_hash == head.state.params_hash and model in self._models

    def hold(self, head: TrustedHead, *, held: bool) -> None:
        """Whether the model of the open round is asked for no further: its owner's gates may be about heat,
        or about what each byte costs. What has come is kept."""
        self._fetcher.hold((head.app.model_root,) if held else ())

    def outdated(self, head: TrustedHead) -> None:
        """The open round changed: what only the one before needed is not fetched any more."""
        still = {head.state.params_hash, head.app.model_root}
        for root in self._of_round - still:
            self._fetcher.forget(root)
        self._of_round &= still

    def fetches(self, root: str) -> bool:
        """Whether the object of this root, in hex, is still being fetched."""
        return any(wanted.hex() == root for wanted in self._fetcher)

    def piece(
        self, validator: str, root: bytes, index: int, payload: bytes, now_ms: int
    ) -> tuple[Fetched | None, list[Publish]]:
        """Take one chunk. Raises `ProtocolError`."""
        if root not in self._fetcher:
            return None, []
        fetched, asks = self._fetcher.piece(validator, root, index, payload, now_ms)
        return fetched, [self._identity.ask(ask) for ask in asks]

    def keep(self, fetched: Fetched, in_use: bytes | None) -> list[SaveObject | SaveParams | DropObject]:
        """Store a whole object; older models go, but not the one `in_use` by the trainer."""
        if fetched.kind == ObjectKind.PARAMS:
            self._params, self._params_hash = ParamsPair.decode(fetched.data), fetched.root
            return [SaveParams(self._params)]
        save = SaveObject(fetched.kind, fetched.root, fetched.data)
        if fetched.kind == ObjectKind.GRAPH:
            self._graph_here = True
            return [save]
        old = self._models - {in_use}
        self._models = (self._models - old) | {fetched.root}
        return [save, *(DropObject(root) for root in sorted(old))]

    def ask(self, now_ms: int) -> list[Publish]:
        """Questions to publish now."""
        return [self._identity.ask(ask) for ask in self._fetcher.due(now_ms)]

    def deadline(self) -> int | None:
        """When `ask` has something to ask."""
        return self._fetcher.deadline()


def _is_params(data: bytes, root: bytes) -> bool:
    try:
        return ParamsPair.decode(data).hash() == root
    except DecodeError:
        return False
