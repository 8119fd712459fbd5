"""One user, or with --multi-user several: each with settings and files of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from server_toys import asynchronous, serving

from carrara.errors import InputError
from carrara.server.users import Accounts, UnknownUser


@asynchronous
async def test_users_have_settings_and_files_of_their_own(tmp_path: Path) -> None:
    async with serving(tmp_path, multi_user=True) as client:
        assert await (await client.get("/api/users")).json() == {"storage": "server", "users": {}}
        ids = [await (await client.post("/users", json={"username": name})).json() for name in ("Ada", "Bo B.")]
        assert (await (await client.get("/users")).json())["users"] == {ids[0]: "Ada", ids[1]: "Bo B."}
        twice = await client.post("/users", json={"username": "Ada"})
        assert twice.status == 400 and isinstance((await twice.json())["error"], str)
        assert (await client.post("/users", json={})).status == 400
        ada, bo = ({"Comfy-User": id} for id in ids)
        for headers, value in ((ada, 1), (bo, 2)):
            assert (await client.post("/settings/x", json=value, headers=headers)).status == 200
            put = await client.post("/userdata/workflows%2Fa.json", data=f"[{value}]", headers=headers)
            assert put.status == 200
        assert await (await client.get("/settings", headers=ada)).json() == {"x": 1}
        assert await (await client.get("/settings/x", headers=bo)).json() == 2
        assert await (await client.get("/api/userdata/workflows%2Fa.json", headers=bo)).text() == "[2]"
        up = f"..%2F{ids[0]}%2Fworkflows%2Fa.json"
        assert (await client.get(f"/userdata/{up}", headers=bo)).status == 403


@pytest.mark.parametrize("user", [None, "default", "nobody", "../default", ""])
@asynchronous
async def test_an_unknown_user_is_told_so(tmp_path: Path, user: str | None) -> None:
    headers = {} if user is None else {"Comfy-User": user}
    async with serving(tmp_path, multi_user=True) as client:
        for path in ("/settings", "/api/settings/x", "/userdata?dir=workflows", "/v2/userdata", "/userdata/a.json"):
            assert (await client.get(path, headers=headers)).status == 401, path
        assert (await client.post("/settings", json={"a": 1}, headers=headers)).status == 401
        assert (await client.post("/userdata/a.json", data=b"x", headers=headers)).status == 401


@asynchronous
async def test_with_one_user_the_header_means_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        assert (await client.post("/users", json={"username": "Ada"})).status == 400
        assert (await client.post("/settings/x", json=1, headers={"Comfy-User": "Ada"})).status == 200
        assert await (await client.get("/settings")).json() == {"x": 1}


def test_users_outlive_the_server(tmp_path: Path) -> None:
    id = Accounts(tmp_path, True).add("Ada ../é")
    assert "/" not in id and "." not in id
    again = Accounts(tmp_path, True)
    assert again.names() == {id: "Ada ../é"} and again.user(id).folder == tmp_path / id
    with pytest.raises(UnknownUser):
        again.user("default")
    with pytest.raises(InputError):
        again.add("Ada ../é")
    (tmp_path / "users.json").write_text("torn {")
    assert Accounts(tmp_path, True).names() == {}
