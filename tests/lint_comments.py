"""What comments of the sources and CONTRIBUTING.md name exists: files, functions(), invariants (I1). Run by lint.sh."""
import os
import re
import sys

ROOMS = ("common", "shm", "master", "worker", "tests", "docs", "deploy")


def files():
    for room in ROOMS:
        for folder, _, names in os.walk(room):
            yield from (os.path.join(folder, name) for name in names)


def main():
    paths = sorted(files())
    known = {os.path.basename(path) for path in paths}
    texts = {path: open(path, encoding="utf-8").read() for path in paths if path.endswith((".c", ".h"))}
    comments = {path: re.findall(r"/\*.*?\*/", text, flags=re.S) for path, text in texts.items()}
    words = set(re.findall(r"\w+", " ".join(re.sub(r"/\*.*?\*/", " ", text, flags=re.S) for text in texts.values())))
    guide = open("CONTRIBUTING.md", encoding="utf-8").read()
    invariants = set(re.findall(r"^\| (I\d+) \|", guide, flags=re.M))
    wrong = []

    for path in sorted(texts):
        for comment in comments[path]:
            for name in re.findall(r"\b[\w/]*\w\w\.[ch]\b", comment):
                if os.path.basename(name) not in known | {"uv.h"}:
                    wrong.append(f"{path}: there is no {name}")
            for name in re.findall(r"\b([a-z]\w*_\w+)\(\)", comment):
                if name not in words:
                    wrong.append(f"{path}: there is no {name}()")
            for number in re.findall(r"\((I\d+)\)", comment):
                if number not in invariants:
                    wrong.append(f"{path}: {number} does not stand in CONTRIBUTING.md")
    for name in re.findall(r"`([\w/]+/\w+\.(?:c|h|py|sh|md))`", guide):
        if "suffix" not in name and not os.path.exists(name):
            wrong.append(f"CONTRIBUTING.md: there is no {name}")
    print("\n".join(wrong))
    return 1 if wrong else 0


sys.exit(main())
