"""fsd mounts a disk that mke2fs made and reads a file whose content only the host knew."""


def test_fsd_smoke(boot, nonce, secret, make_disk, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "secret.txt").write_text(secret)
    boot(f"test=fs nonce={nonce}", disk=make_disk(folder)).ok().line("FSD: mount ok", nonce=nonce, secret=secret)
