#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# lint-openapi.py - docs/openapi.yaml says what broker/routes.c and the handlers do: no more and no less
#
# Compared both ways: method, path and role of each route, the fields of each body with their kinds and limits, and the
# status and code of each problem that is anywhere in broker/*.c.
import re
import sys
sys.dont_write_bytecode = True
import tree

PAGE = 'docs/openapi.yaml'
ROUTES = 'broker/routes.c'
KINDS = {'STRING': ('string', 'minLength', 'maxLength'), 'INTEGER': ('integer', 'minimum', 'maximum'),
         'ARRAY': ('array', 'minItems', 'maxItems'), 'BOOLEAN': ('boolean', None, None),
         'OBJECT': ('object', None, None)}
SCALAR = r"'(?:[^']|'')*'|[^,\[\]]+"


def scalar(text):
    text = text.strip()
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if re.fullmatch(r'-?\d+', text):
        return int(text)
    return {'true': True, 'false': False, 'null': None, '{}': {}}.get(text, text)


def value(text):
    if text.startswith('['):
        return [scalar(part) for part in re.findall(SCALAR, text[1:-1])]
    return scalar(text)


class Yaml:
    """The simple part of YAML that the head of the page describes."""

    def __init__(self, lines):
        self.rows = [(number, len(line) - len(line.lstrip()), line.strip()) for number, line in enumerate(lines, 1)
                     if line.strip() and not line.lstrip().startswith('#')]
        self.at = 0
        self.lines = {}     # path of keys -> line

    def block(self, indent, path=()):
        found = None
        while self.at < len(self.rows):
            number, depth, text = self.rows[self.at]
            if depth < indent:
                break
            item = text.startswith('- ')
            if depth > indent or (found is not None and item != isinstance(found, list)):
                sys.exit('%s:%d: not the simple YAML that its head describes' % (PAGE, number))
            if item:
                found = found or []
                self.rows[self.at] = number, indent + 2, text[2:]
                found.append(self.block(indent + 2, path + (len(found),)))
                continue
            found = found if found is not None else {}
            match = re.fullmatch(r"('[^']+'|[^\s':]+):(?: (.*))?", text)
            if not match or scalar(match.group(1)) in found:
                sys.exit('%s:%d: not a key, or one that is there already' % (PAGE, number))
            key = str(scalar(match.group(1)))
            self.lines[path + (key,)] = number
            self.at += 1
            found[key] = value(match.group(2)) if match.group(2) else self.block(indent + 2, path + (key,))
        return found


def constants():
    found = {}
    for path in ('base/name.h', 'base/proto_auth.h', 'common/hash.h', ROUTES):
        for name, number in re.findall(r'^#define (\w+)\s+(\d+)\b', tree.read(path), re.M):
            found[name] = int(number)
    return found


def field_tables(text):
    tables, numbers = {}, constants()
    for name, body in re.findall(r'static const struct json_field (\w+)\[\] = \{(.*?)\n\};', text, re.S):
        tables[name] = {}
        for key, kind, optional, low, high in re.findall(r'\{ "(\w+)", JSON_KIND_(\w+), (\d), ([^,]+), ([^}]+?) \}', body):
            tables[name][key] = (kind, optional == '0', eval(low, {}, numbers), eval(high, {}, numbers))
    return tables


def routes(text):
    """(method, path) -> (line, role, name of the field table, None without body, '' for any)"""
    found = {}
    for match in re.finditer(r'\{ "([A-Z]+)",\s+"([^"]+)",\s+ROUTE_ROLE_(\w+),\s+(NO_BODY|BODY\((\w+)\)|TRUE, NULL, 0),', text):
        line = text.count('\n', 0, match.start()) + 1
        table = match.group(5) or (None if match.group(4) == 'NO_BODY' else '')
        found[match.group(1).lower(), match.group(2)] = line, match.group(3).lower(), table
    return found


def problems():
    found = {}
    for path in tree.files('*.c'):
        if not path.startswith('broker/'):
            continue
        text = tree.read(path)
        for pattern in (r'problem_respond\(\s*[^,;]+,\s*(\d{3}),\s*"([a-z.-]+)"', r'=\s*\{ (\d{3}), "([a-z.-]+)"'):
            for match in re.finditer(pattern, text):
                found.setdefault('%s %s' % match.groups(), (path, text.count('\n', 0, match.start()) + 1))
        for match in re.finditer(r'problem_respond_unknown\(\s*[^,;]+,\s*"([a-z]+)"', text):
            found.setdefault('404 %s.unknown' % match.group(1), (path, text.count('\n', 0, match.start()) + 1))
    return found


def compare_body(page, where, table, schema):
    line = page.lines[where]
    properties = schema.get('properties', {})
    if schema.get('additionalProperties', True) is not False:
        tree.complain(PAGE, line, 'additionalProperties must be false: the broker refuses unknown keys')
    for key in sorted(set(table) ^ set(properties)):
        tree.complain(PAGE, line, "'%s' is only in %s" % (key, ROUTES if key in table else PAGE))
    for key in sorted(set(table) & set(properties)):
        kind, required, low, high = table[key]
        name, least, most = KINDS[kind]
        has = properties[key]
        if has.get('type') != name or (key in schema.get('required', [])) != required:
            tree.complain(PAGE, line, "'%s' is %s and %s in %s" % (key, name, 'required' if required else 'optional', ROUTES))
        # A list may say more of its elements; what is said of the whole must be the same.
        if least and (has.get(least, 0), has.get(most)) != (low, high):
            tree.complain(PAGE, line, "'%s' goes from %d to %d in %s" % (key, low, high, ROUTES))


def compare_route(page, where, operation, route, tables, schemas):
    _, role, table = route
    if operation.get('x-role') != role:
        tree.complain(PAGE, page.lines[where], "x-role is '%s' in %s" % (role, ROUTES))
    body = operation.get('requestBody')
    if (body is None) != (table is None):
        tree.complain(PAGE, page.lines[where], '%s says that it has %s body' % (ROUTES, 'no' if table is None else 'a'))
    elif table:
        name = body['content']['application/json']['schema']['$ref'].rsplit('/', 1)[1]
        compare_body(page, ('components', 'schemas', name), tables[table], schemas[name])


page = Yaml(tree.lines(PAGE))
document = page.block(0)
text = tree.read(ROUTES)
table, tables, codes = routes(text), field_tables(text), problems()
if len(table) != len(re.findall(r'^\t\{ "[A-Z]+", "', text, re.M)) or not table:
    tree.complain(ROUTES, 1, 'a line of route_table was not understood')
described = {}
for path, operations in document['paths'].items():
    for method, operation in operations.items():
        described[method, re.sub(r'\{\w+\}', '*', path[1:])] = ('paths', path, method), operation
for key in sorted(set(table) - set(described)):
    tree.complain(ROUTES, table[key][0], '%s %s is not in %s' % (key[0].upper(), key[1], PAGE))
for key, (where, operation) in sorted(described.items()):
    if key in table:
        compare_route(page, where, operation, table[key], tables, document['components']['schemas'])
    else:
        tree.complain(PAGE, page.lines[where], 'no such route in %s' % ROUTES)
listed = {}
lists = [(where, operation) for where, operation in described.values()]
lists.append((('components', 'responses', 'Problem'), document['components']['responses']['Problem']))
for where, holder in lists:
    for code in holder['x-problems']:
        listed.setdefault(code, page.lines[where + ('x-problems',)])
for code in sorted(set(codes) - set(listed)):
    tree.complain(*codes[code], "'%s' is not among the x-problems of %s" % (code, PAGE))
for code in sorted(set(listed) - set(codes)):
    tree.complain(PAGE, listed[code], "nothing in broker/ answers '%s'" % code)
tree.finish(len(described))
