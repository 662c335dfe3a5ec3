"""/api/rooms/<room>/chess/<seq>.pgn: a game as a file."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Router

from accounts.http_auth import authenticated, user_id
from chat.publish import thing
from core.api_types import answers
from db import database
from features.chess import rules
from features.chess.state import Chess

router = Router(tags=["chess"], auth=authenticated)


@router.get("/{slug}/chess/{int:seq}.pgn", summary="A game as PGN", openapi_extra=answers("application/x-chess-pgn"))
async def game(request: HttpRequest, slug: str, seq: int) -> HttpResponse:
    me = user_id(request)

    def read() -> str:
        found = thing(me, slug, seq, Chess)
        state: Chess = found.state
        return rules.pgn(
            moves=state.moves,
            white=state.white.name,
            black=state.black.name if state.black else "?",
            result=state.result or rules.NONE,
            date=found.at,
            seconds=state.seconds,
            increment=state.increment,
            reason=state.reason,
        )

    answer = HttpResponse(await database.run_for(me, read), content_type="application/x-chess-pgn; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="chess-{seq}.pgn"'
    return answer
