"""Writes sample.json: the sample graph in ../data/concepts.json, with expectations computed by networkx.

    pip install networkx==3.6.1 && python cases/sample.py

What networkx has no function for (slack, the ranking of `next`) is computed here from its primitives, the slow and obvious way.
"""
import json
import pathlib

import networkx as nx

here = pathlib.Path(__file__).parent
concepts = json.loads((here.parent / "data" / "concepts.json").read_text())
place = {concept["id"]: at for at, concept in enumerate(concepts)}
hours = {concept["id"]: concept["effort"] for concept in concepts}
title = {concept["id"]: concept["title"] for concept in concepts}


def build(concepts):
    graph = nx.DiGraph()
    graph.add_nodes_from(concept["id"] for concept in concepts)
    graph.add_edges_from((need, concept["id"]) for concept in concepts for need in concept["needs"])
    return graph


def listed(ids):
    return sorted(ids, key=place.get)


def ordered(graph):
    return list(nx.lexicographical_topological_sort(graph, key=place.get))


graph = build(concepts)


def ordering():
    return {
        "order": ordered(graph),
        "stages": [listed(stage) for stage in nx.topological_generations(graph)],
        "total_effort": float(sum(hours.values())),
    }


def critical(graph):
    # Efforts belong to nodes, and networkx weighs edges: each edge carries the effort of its end, and one start stands before all.
    weighted = nx.DiGraph()
    for node in graph:
        weighted.add_edge("", node, weight=hours[node])
    for need, node in graph.edges:
        weighted.add_edge(need, node, weight=hours[node])
    path = nx.dag_longest_path(weighted)[1:]
    length = nx.dag_longest_path_length(weighted)
    schedule = []
    for node in listed(graph):
        before = nx.subgraph(weighted, nx.ancestors(graph, node) | {"", node})
        finish = nx.dag_longest_path_length(before)
        after = nx.subgraph(weighted, nx.descendants(graph, node) | {node})
        slack = length - finish - nx.dag_longest_path_length(after)
        schedule.append({"id": node, "start": float(finish - hours[node]), "finish": float(finish), "slack": float(slack)})
    return {"path": path, "length": float(length), "total_effort": float(sum(map(hours.get, graph))), "schedule": schedule}


def missing(goal, known):
    """The goal and its prerequisites, with every edge out of a known concept cut."""
    cut = graph.copy()
    cut.remove_nodes_from(known)
    return graph.subgraph(nx.ancestors(cut, goal) | {goal}) if goal in cut else graph.subgraph([])


def plan(goal, known):
    within = missing(goal, known)
    steps, done = [], 0.0
    for node in ordered(within):
        done += hours[node]
        steps.append({"id": node, "title": title[node], "effort": float(hours[node]), "done_after": done})
    used = {need for node in within for need in graph.predecessors(node) if need in known}
    return {"steps": steps, "total_effort": done, "builds_on": listed(used)}


def following(known, goal, limit):
    wanted = missing(goal, known) if goal else graph.subgraph(set(graph) - set(known))
    needs = lambda node: set(graph.predecessors(node)) - set(known)
    ready = []
    for node in listed(wanted):
        if not needs(node):
            unlocked = listed(other for other in wanted.successors(node) if needs(other) == {node})
            ready.append({
                "id": node, "title": title[node], "effort": float(hours[node]),
                "leads_to": len(nx.descendants(wanted, node)), "unlocks": len(unlocked), "unlocked": unlocked[:10],
            })
    ready.sort(key=lambda one: (-one["leads_to"], -one["unlocks"], one["effort"]))
    return {
        "ready": ready[:limit], "ready_total": len(ready),
        "remaining": len(wanted), "remaining_effort": float(sum(map(hours.get, wanted))),
    }


def tangled():
    """The sample with needs added that close circles; the members must equal networkx's components."""
    broken = json.loads(json.dumps(concepts))
    for node, need in [("arithmetic", "integrals"), ("optimization", "regularization"), ("testing", "testing")]:
        broken[place[node]]["needs"].append(need)
    graph = build(broken)
    knots = []
    for component in nx.strongly_connected_components(graph):
        first = listed(component)[0]
        inside = graph.subgraph(component).reverse()
        if len(component) == 1 and not inside.has_edge(first, first):
            continue
        shortest = [[first, *nx.shortest_path(inside, need, first)] for need in inside.successors(first)]
        least = min(map(len, shortest))
        least = [path for path in shortest if len(path) == least]
        assert len(least) == 1, "several shortest cycles: expected values would rest on the tie-break"
        assert len(list(nx.all_shortest_paths(inside, least[0][1], first))) == 1
        knots.append({"members": listed(component), "path": least[0]})
    knots.sort(key=lambda knot: place[knot["members"][0]])
    return broken, {"acyclic": False, "knots": knots}


def case(name, tool, expected, **arguments):
    return {
        "name": name, "tool": tool, "arguments": {"concepts": concepts, **arguments},
        "expect": {"value": expected}, "tolerance": 1e-9,
    }


beginner = ["arithmetic", "programming-basics"]
analyst = ["arithmetic", "algebra", "programming-basics", "version-control", "sql", "vectors-and-matrices", "arrays-and-tables"]
broken, knots = tangled()
cases = [
    case("the sample's order and stages equal networkx's", "order", ordering()),
    case("the sample has no cycle", "cycles", {"acyclic": True, "knots": []}),
    case("the knots of a tangled sample are networkx's strongly connected components", "cycles", knots, concepts=broken),
    case("the sample's longest path, length and slacks equal networkx's", "critical-path", critical(graph)),
    case("the critical path to one concept equals networkx's on its ancestors", "critical-path",
         critical(missing("ensembles", [])), goal="ensembles"),
    case("a beginner is offered what networkx's descendants rank first", "next", following(beginner, None, 10), known=beginner),
    case("an analyst on the way to agents is offered what leads there", "next", following(analyst, "agents", 3),
         known=analyst, goal="agents", limit=3),
    case("the plan from nothing to agents is networkx's ancestors in order", "plan", plan("agents", []), goal="agents", known=[]),
    case("the plan of an analyst to agents leaves out what is known", "plan", plan("agents", analyst), goal="agents", known=analyst),
]
text = ",\n".join(json.dumps(one, ensure_ascii=False) for one in cases)
(here / "sample.json").write_text(f"[\n{text}\n]\n")
