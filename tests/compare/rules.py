"""rules.py - rules for compare.py that are drawn at random: every matcher of both syntaxes with arguments that are odd, and
rules that are odd in how they are written, each alone behind a header of its own, asked for what nearly fits it.

Not here: which of many routers wins (cases.py, random_configuration).
"""
import re

from cases import request

HOSTS = ["a.test", "a.test", "A.Test", "a.test.", "*.a.test", "*", "*.test", "a.*.test", "**.test", "", "\xe9.test", "xn--9ca.test", "a b", "a.test:80", "127.0.0.1", "[::1]", "::1", "a_b.test", ".a.test",
         "*a.test", "*.", "a.test/x", "-a.test", "a" * 64 + ".test", "*.A.test", "xn--a", "\u212a.test", "stra\xdfe.test", "a\u3002test", "a..test", "*.*.test", "a.test*", "b.a.test"]
ASKED_HOSTS = ["a.test", "a.test", "A.TEST", "a.test.", "a.test:80", "a.test.:80", "b.a.test", "c.b.a.test", "B.A.test.", "\xe9.test", "\xe9.test".encode().decode("latin-1"), "xn--9ca.test", "XN--9CA.test", "127.0.0.1",
               "127.0.0.1:8000", "[::1]", "[::1]:80", "a_b.test", "k.test", "strasse.test", "xn--strae-oqa.test", "test", "x.test", "a..test", "a" * 64 + ".test", "aa.test", ".a.test", "-a.test", "a.b.test"]
HOST_REGEXPS = ["^a\\.test$", "a", ".+", "(?i)^A\\.TEST$", "^[^.]+\\.test$", "\xe9", "A", "test$", "^a\\.test\\.?$", "[[:alpha:]]+", "\\pL+", "^(?P<x>a)\\.", "^a{1,3}\\.", "\\Qa.test\\E", "a(?=b)", "\\d", "(", "*", "^$", "",
                "^.$", "(?s).", "\\bb\\b", "^(?:a|b)+\\.", "[^a]", "a{1001}", "\\x61", "[\\d.]+$", "(?U)a+", "^xn--", "(?P<x", "\\z", "a|b.a", "\\p{Greek}", "[z-a]", "(?<n>a)", "a**", "\\C", "\\1", ":80"]
PATHS = ["/", "/a", "/a/", "/a%2Fb", "/a b", "/\xe9", "/%C3%A9", "/a?b", "", "a", "/a//b", "/a/../b", "/A", "/a;b", "/*", "/a%", "/a%zz", "/a+b", "/~a", "/%7Ea", "/a\\b", "/a:b", "/a/./b", "/a%20b", "/a%3Bb", "/a#b", "/a%25b",
         "/[a]", "/a&b", "/a=b", "/(a)", "/a,b", "/a|b", "/%61", "//a", "/\u20ac", "/a@b", "/a/b"]
ASKED_PATHS = ["/", "/a", "/a/", "/a%2Fb", "/a%2fb", "/a/b", "/a%20b", "/%C3%A9", "/%c3%a9", "/\xc3\xa9", "/a?b", "/a%3Fb", "/a//b", "/b", "/A", "/a;b", "/a%3Bb", "/a%3bb", "/a+b", "/~a", "/%7Ea", "/a%5Cb", "/a\\b", "/a:b",
               "/a%25b", "/a%2525b", "/a%23b", "/[a]", "/%5Ba%5D", "/a&b", "/a%26b", "/a=b", "/(a)", "/a,b", "/a|b", "/a%7Cb", "/%61", "//a", "/%E2%82%AC", "/a@b", "/a/./b", "/a/../a", "/x/a", "/aa", "/12", "/12/c", "/ab.png", "/a/b/c",
               "/*", "/a%00b", "/%2e%2e/a", "/a/%2e/b", "/a%0Ab", "/a'b", "/a%27b", "/a%22b", "/{x}", "/%7Bx%7D", "/a%2525", "/a%2F", "/a%2Fb/c", "/%41", "/a%2F%2Fb", "/a/%2F/b", "http://b.a.test/a", "http://a.test", "/a%FFb", "/%80"]
PATH_REGEXPS = ["^/a$", "a", "/a.b", "^/a/b", "%2F", "(?i)^/A", "\\s", "\xe9", "^/[a-z]+$", "\\.png$", "^/\\d+/?$", "", "[", "^/(a|b)/?", "/$", "^[^/]", "^//", "\\\\", "^/\\w+$", "(?m)^a", "^/a%", ";", "\\x{e9}", "\\pL", "[\\x80-\\xff]", "^/.$", "\\?", "(?s)a.b",
                "a\\nb", "^(/a)+$", "\\.\\."]
TEMPLATES = ["/{x}", "/{x:[0-9]+}", "/a/{x:.*}", "/{x:a|b}", "/{x}/{x}", "/{:x}", "/{x:}", "/{x:(a)}", "/{x:[a-z]{2}}", "/a{x}b", "/{x}.png", "/{x:.+}/c", "/{x", "/x}", "/{x:[0-9}", "/{x:^a$}", "/{x:[^/]+}/b", "/{x:.*}", "/{x:a%2Fb}", "/a{x:.}b", "{x:/a}",
             "/{a}/{b}/{c}", "/{x:(?i)A}", "/{x:(?:a|b)}", "/A{x:.*}", "/{x: a}", "/a/{x}/", "/{x:\xe9}", "/{}", "/{x:\\d+}"]
HOST_TEMPLATES = ["{x:[a-z]+}.test", "a.test", "{x:.*}", "{x}.a.test", "{x", "b.{x:(a|c)}.test", "A.test", "{x:A}.test", "\xe9.test", "{x:(?i)A}.test", "^a.test$", "{x:[a-z.]+}", "{x:a.test}", "{x:a\\.test}:80", "{x:.+}.", "", "*.test", "{a}.{b}.test", "{x:}"]
METHODS = ["GET", "get", "POST", "", "G T", "*", "HEAD", "PURGE", "GeT"]
NAMES = ["X-K", "x-k", "X-k", "Host", "", "X K", "Content-Length", "User-Agent", "Cookie", "X-Forwarded-For", "Connection", "Transfer-Encoding", "X-Forwarded-Proto", "X-Real-Ip", "X_K", "X-Forwarded-Host", "\xe9", "X-Forwarded-Server", "X-Forwarded-Port", "Upgrade", "Te"]
VALUES = ["1", "", " 1", "1,2", "\xe9", "a b", "X", "x", "*", "1 ", "127.0.0.1", "http", "\"q\""]
VALUE_REGEXPS = ["1", "^1$", "", "^$", ".", ".*", "^[12]$", "(?i)^X$", "\xe9", "\\d", "(", "^\\s", ",", "b$", "^1,\\s*2$", "\\pL", "a\\sb"]
KEYS = ["k", "K", "", "k k", "k=1", "%6b", "\xe9", "k[]", "k;l", "k.l", "k&l", "+"]
QUERIES = ["k", "k=", "k=1", "k=1&k=2", "k=2&k=1", "K=1", "%6b=1", "k=%31", "k=a+b", "k=a%20b", "k=a b"[:3], "=1", "", "&", "k=1;l=2", "k=%zz", "k=1&%zz=1", "l=1", "\xc3\xa9=1", "%C3%A9=1", "k[]=1", "k%5B%5D=1", "k.l=1", "k=\xc3\xa9", "k=%C3%A9", "k=1=2",
           "k=%201", "k%20k=1", "k+k=1", "k=1%2C2", "k=x", "k=X", "k=12", "k==1", "k=%00", "?k=1", "k=%221%22", "k;l=1", "k%3Bl=1", "a=1&" * 20 + "k=1", "k=*", "%2B=1", "k%26l=1"]
V2_QUERIES = ["k=1", "k", "k=", "=1", "k={v}", "k={v:[0-9]+}", "k=1=2", "{x}=1", "k=a b", "K=1", "k={v:1|2}", "", "k=%31", "k=\xe9", "k={v", "k=.", "k=*", "k=X"]
ADDRESSES = ["127.0.0.1", "127.0.0.1/8", "127.0.0.0/8", "::ffff:127.0.0.1", "::ffff:127.0.0.0/104", "::1", "10.0.0.1", "", "x", "127.1", "0.0.0.0/0", "::/0", "127.0.0.1/33", " 127.0.0.1", "127.0.0.1:80", "127.0.0.1/32", "1.2.3.4", "1.2.3.0/24", "127.0.0.01", "::1%lo",
             "127.0.0.1/-1", "127.0.0.1/", "/8", "127.0.0.1/08", "2001:db8::/32", "::ffff:1.2.3.4"]

V3 = {"Host": [HOSTS], "HostRegexp": [HOST_REGEXPS], "Path": [PATHS], "PathPrefix": [PATHS], "PathRegexp": [PATH_REGEXPS], "Method": [METHODS], "Header": [NAMES, VALUES], "HeaderRegexp": [NAMES, VALUE_REGEXPS],
      "Query": [KEYS, VALUES], "QueryRegexp": [KEYS, VALUE_REGEXPS], "ClientIP": [ADDRESSES]}
V2 = {"Host": [HOSTS], "HostRegexp": [HOST_TEMPLATES], "Path": [PATHS + TEMPLATES], "PathPrefix": [PATHS + TEMPLATES], "Method": [METHODS], "Headers": [NAMES, VALUES], "HeadersRegexp": [NAMES, VALUE_REGEXPS], "Query": [V2_QUERIES],
      "ClientIP": [ADDRESSES]}
SPOILT = ["Host", "Host()", "Nope(`x`)", "HostSNI(`a.test`)", "HostHeader(`a.test`)", "Headers(`X-K`, `1`)", "Header(`X-K`, `1`)", "Host(a.test)", "Host('a')", "Host(1)", "Host(nil)", "true", "`a`", "1", "", "Host(`a.test`) Path(`/a`)", "Path(Path(`/a`))", "AddPrefix(`/a`)",
          "-Path(`/a`)", "Path(`/a`) == Path(`/a`)", "Path(`/a`) & Path(`/a`)", "Path(`/a`) and Path(`/a`)", "Path(`/a`);", "x.Path(`/a`)", "Path[`/a`]", "Path(`/a`)(`/b`)", "Path(`/a`", "(Path(`/a`)", "Path(`/a`))", "&& Path(`/a`)", "Path(`/a`) &&", "!", "()",
          "Path(`/a\n`)", "Path(\"/a\n\")", "Path(\"/a)", "Path(`/a`) && true", "Path{`/a`}", "func() {}", "<-Path(`/a`)", "*Path(`/a`)", "^Path(`/a`)", "+Path(`/a`)", "Path(\"/a\" + \"b\")", "Path((`/a`))", "Path(`/a`, 1)", "PathRegexp(`a`, `b`)"]


def quoted(rng, text):
    roll = rng.random()
    if roll < 0.7 and "`" not in text:
        return f"`{text}`"
    out = text.replace("\\", "\\\\").replace("\"", "\\\"")
    if roll > 0.9 and out and out[-1].isascii() and out[-1].isalnum():
        out = out[:-1] + rng.choice([f"\\x{ord(out[-1]):02x}", f"\\u{ord(out[-1]):04x}", f"\\{ord(out[-1]):03o}", "\\" + out[-1], f"\\U{ord(out[-1]):08x}"])
    return f"\"{out}\""


def matcher(rng, v2):
    kinds = V2 if v2 else V3
    name = rng.choice(list(kinds))
    values = [quoted(rng, rng.choice(choices)) for choices in kinds[name]]
    if rng.random() < (0.3 if v2 else 0.04):
        values += [quoted(rng, rng.choice(kinds[name][-1])) for _ in range(rng.choice([1, 1, 2]))]
    if name.startswith("Query") and not v2 and rng.random() < 0.2 or rng.random() < 0.02:
        values.pop()
    if rng.random() < 0.06:
        name = rng.choice([name.lower(), name.upper(), name[:1].lower() + name[1:]])
    return name + rng.choice(["("] * 20 + [" (", "( ", "(\n"]) + rng.choice([", "] * 5 + [",", " , "]).join(values) + rng.choice([")"] * 20 + [" )", ",)"])


def rule(rng, v2, depth=0):
    roll = rng.random()
    if depth < 3 and roll < 0.22:
        return rule(rng, v2, depth + 1) + rng.choice([" && ", "&&", " || ", "||", "\n&& "]) + rule(rng, v2, depth + 1)
    if depth < 3 and roll < 0.27:
        return f"({rule(rng, v2, depth + 1)})"
    if depth < 3 and roll < 0.37:
        return rng.choice(["!", "! ", "!!"]) + rule(rng, v2, 3)
    if roll > 0.985:
        return rng.choice(SPOILT)
    return matcher(rng, v2)


def rules_configuration(rng, count):
    routers = {}
    for i in range(count):
        v2 = rng.random() < 0.4
        one = rule(rng, v2)
        named = f"Headers(`X-N`, `{i}`)" if v2 else f"Header(`X-N`, `{i}`)"
        routers[f"n{i}"] = {"rule": f"{named} && ({one})", "service": "upstream", "entryPoints": ["web", "insecure", "rawpath"], **({"ruleSyntax": "v2"} if v2 else {})}
    return {"http": {"routers": routers}}


def spelled(rng, text):
    """A path that may be the text of a rule: what must be escaped is, what need not be is now and then."""
    out = "".join(c if c.isascii() and (c.isalnum() or c in "/%~.;:@&=+,*()[]|?") else "".join(f"%{b:02X}" for b in c.encode()) for c in text)
    if out and rng.random() < 0.15:
        at = rng.randrange(len(out))
        out = out[:at] + f"%{ord(out[at]):02x}" + out[at + 1:] if out[at] not in "/%" else out
    return out if out.startswith("/") else "/" + out


def rules_request(rng, number, text):
    """Something that the rule is near: most parts come from what it says."""
    said = {name: rng.choice(values) for name in ("Host", "Path", "Query", "Header", "Method")
            if (values := re.findall(rf'(?i){name}\w*\s*\(\s*[`"]([^`"]*)[`"]', text))}
    value = re.findall(r'(?i)(?:Header|Query)\w*\s*\(\s*[`"][^`"]*[`"]\s*,\s*[`"]([^`"]*)[`"]', text)
    value = rng.choice(value) if value and rng.random() < 0.6 else None
    near = lambda name: name in said and rng.random() < 0.7
    headers = [("X-N", str(number))]
    if near("Header") and re.fullmatch(r"[A-Za-z_-]+", said["Header"]) and said["Header"] not in ("Host", "Content-Length", "Connection", "Transfer-Encoding"):
        headers.append((said["Header"], value if value is not None and value.isprintable() and "\u20ac" not in value else "1"))
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        headers.append((rng.choice(["X-K", "x-k", "X-K", "X_K", "Cookie", "User-Agent", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-Ip", "Te", "Upgrade", "X-Forwarded-Host"]),
                        rng.choice(["1", "", "1, 2", "1,2", "caf\xe9", "\xc3\xa9", "a b", "X", "x", "1.2.3.4", "127.0.0.1", "2001:db8::1", "2", "\"q\"", "::ffff:1.2.3.4"])))
    path = spelled(rng, said["Path"]) if near("Path") else rng.choice(ASKED_PATHS)
    path += rng.choice(["", "", "", "", "/", "/b", "x", "?", "//"])
    if "?" not in path and near("Query"):
        path += "?" + "&".join([spelled(rng, said["Query"])[1:] + (f"={spelled(rng, value)[1:]}" if value is not None else rng.choice(["", "=", "=1", "=12"]))] * rng.choice([1, 1, 2]))
    elif "?" not in path and rng.random() < 0.4:
        path += "?" + rng.choice(QUERIES)
    host = rng.choice(ASKED_HOSTS)
    if near("Host") and re.fullmatch(r"[\[\]A-Za-z0-9.:_*-]*", said["Host"]):
        host = said["Host"].replace("*", rng.choice(["x", "x.y", ""])) + rng.choice(["", "", "", ".", ":80", ":8443"])
        host = rng.choice([host, host, host.upper()])
    method = said["Method"] if near("Method") and said["Method"].isalpha() else rng.choice(["GET", "GET", "GET", "POST", "HEAD", "get", "PURGE"])
    return rng.choice(["web", "web", "insecure", "rawpath"]), request(path, host=host, method=method, headers=headers)
