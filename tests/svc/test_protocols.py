"""svcman, fsd and console against clients that know no manners, and programs started on request."""


def test_fuzz(boot, nonce, secret, make_disk, rounds):
    for number in range(rounds(2, 20)):
        seed = f"{int(nonce, 16) + number & 0xffffffff:x}"
        run = boot(f"test=svc.fuzz nonce={nonce} seed={seed} rounds={rounds(5000, 50000)}", disk=make_disk(), timeout=120)
        assert run.status == 0, f"seed={seed}"
        run.line("SVC: fuzz ok", nonce=nonce, secret=secret)


def test_spawn(boot, nonce, secret):
    boot(f"test=svc.spawn nonce={nonce}").ok().line("SVC: spawn ok", nonce=nonce, secret=secret)
