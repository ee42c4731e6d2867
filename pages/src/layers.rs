//! Where the nodes of a graph stand in a drawing: in layers from left to right, so that each stands right of all that it
//! comes from, and in each layer near what it is connected with. Edges over several layers are led between the nodes of
//! those. The steps are those of Sugiyama, Tagawa and Toda (1981): longest paths, dummy nodes, barycentres.

/// Sweeps over all layers that order their nodes.
const SWEEPS: usize = 4;

/// A graph laid out.
#[derive(Clone, PartialEq, Debug)]
pub struct Layout {
    /// How many layers there are.
    pub layers: usize,
    /// How many nodes the fullest layer has, with the ways of edges through it.
    pub tallest: usize,
    /// Of each node its layer, and its slot in the layer, from the top.
    pub nodes: Vec<Slot>,
    /// Of each edge the slots that it goes through, from its beginning to its end; empty if it closes a circle.
    pub edges: Vec<Vec<Slot>>,
}

/// A slot in a layer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Slot {
    pub layer: usize,
    /// From the top, in heights of a node; layers are centred.
    pub row: f64,
}

/// Lays out `nodes` nodes with these edges, each from the node at one index to that at another.
pub fn lay_out(nodes: usize, edges: &[(usize, usize)]) -> Layout {
    let (layer_of, is_kept) = layers_of(nodes, edges);
    let layers = layer_of.iter().max().map_or(0, |last| last + 1);
    // All vertices: the nodes, then the dummies of long edges.
    let mut vertices = layer_of.clone();
    let mut ways: Vec<Vec<usize>> = Vec::with_capacity(edges.len());
    for (&(from, to), kept) in edges.iter().zip(&is_kept) {
        let mut way = Vec::new();
        if *kept {
            let ends = (at(&layer_of, from), at(&layer_of, to));
            way.push(from);
            for layer in ends.0 + 1..ends.1 {
                way.push(vertices.len());
                vertices.push(layer);
            }
            way.push(to);
        }
        ways.push(way);
    }
    let orders = ordered(&vertices, layers, &ways);
    let tallest = orders.iter().map(Vec::len).max().unwrap_or(0);
    let mut slots = vec![Slot { layer: 0, row: 0.0 }; vertices.len()];
    for (layer, order) in orders.iter().enumerate() {
        let above = (tallest - order.len()) as f64 / 2.0;
        for (index, vertex) in order.iter().enumerate() {
            if let Some(slot) = slots.get_mut(*vertex) {
                *slot = Slot { layer, row: above + index as f64 };
            }
        }
    }
    let slot = |vertex: &usize| slots.get(*vertex).copied();
    Layout {
        layers,
        tallest,
        edges: ways.iter().map(|way| way.iter().filter_map(slot).collect()).collect(),
        nodes: slots.iter().take(nodes).copied().collect(),
    }
}

fn at(values: &[usize], index: usize) -> usize {
    values.get(index).copied().unwrap_or_default()
}

/// The layer of each node: one more than the last of those that it comes from. An edge that would close a circle is not
/// kept.
fn layers_of(nodes: usize, edges: &[(usize, usize)]) -> (Vec<usize>, Vec<bool>) {
    let mut layer_of = vec![0; nodes];
    let mut is_kept: Vec<bool> =
        edges.iter().map(|(from, to)| from != to && *from < nodes && *to < nodes).collect();
    // Without a circle as many rounds are enough as there are nodes.
    for round in 0..=nodes {
        let mut is_settled = true;
        for (&(from, to), kept) in edges.iter().zip(&mut is_kept).filter(|(_, kept)| **kept) {
            let least = at(&layer_of, from) + 1;
            if at(&layer_of, to) >= least {
                continue;
            }
            is_settled = false;
            if round == nodes {
                *kept = false;
            } else if let Some(layer) = layer_of.get_mut(to) {
                *layer = least;
            }
        }
        if is_settled {
            break;
        }
    }
    (compact(layer_of), is_kept)
}

/// The same without layers that have no node.
fn compact(layer_of: Vec<usize>) -> Vec<usize> {
    let mut used = layer_of.clone();
    used.sort_unstable();
    used.dedup();
    layer_of.iter().map(|layer| used.binary_search(layer).unwrap_or_default()).collect()
}

/// The vertices of each layer from the top, each near the middle of its neighbours.
fn ordered(vertices: &[usize], layers: usize, ways: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut orders: Vec<Vec<usize>> = vec![Vec::new(); layers];
    for (vertex, layer) in vertices.iter().enumerate() {
        if let Some(order) = orders.get_mut(*layer) {
            order.push(vertex);
        }
    }
    let mut neighbours: Vec<[Vec<usize>; 2]> = vec![[Vec::new(), Vec::new()]; vertices.len()];
    for pair in ways.iter().flat_map(|way| way.windows(2)) {
        let &[from, to] = pair else { continue };
        if let Some([_, right]) = neighbours.get_mut(from) {
            right.push(to);
        }
        if let Some([left, _]) = neighbours.get_mut(to) {
            left.push(from);
        }
    }
    let mut rows = vec![0; vertices.len()];
    note_rows(&mut rows, &orders);
    for sweep in 0..SWEEPS * 2 {
        let is_forward = sweep % 2 == 0;
        let all: Vec<usize> = if is_forward { (0..layers).collect() } else { (0..layers).rev().collect() };
        for layer in all {
            let Some(order) = orders.get_mut(layer) else { continue };
            let middle = |vertex: usize| {
                let [left, right] = neighbours.get(vertex)?;
                let near = if is_forward { left } else { right };
                let sum: usize = near.iter().map(|other| at(&rows, *other)).sum();
                (!near.is_empty()).then(|| sum as f64 / near.len() as f64)
            };
            let mut keyed: Vec<(f64, usize)> = order
                .iter()
                .map(|vertex| (middle(*vertex).unwrap_or_else(|| at(&rows, *vertex) as f64), *vertex))
                .collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            *order = keyed.into_iter().map(|(_, vertex)| vertex).collect();
            for (row, vertex) in order.iter().enumerate() {
                if let Some(noted) = rows.get_mut(*vertex) {
                    *noted = row;
                }
            }
        }
    }
    orders
}

fn note_rows(rows: &mut [usize], orders: &[Vec<usize>]) {
    for (row, vertex) in orders.iter().flat_map(|order| order.iter().enumerate()) {
        if let Some(noted) = rows.get_mut(*vertex) {
            *noted = row;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crossings(layout: &Layout) -> usize {
        let steps: Vec<(Slot, Slot)> =
            layout.edges.iter().flat_map(|way| way.windows(2).map(|pair| (pair[0], pair[1]))).collect();
        let crosses = |(a, b): &(Slot, Slot), (c, d): &(Slot, Slot)| {
            a.layer == c.layer && (a.row - c.row) * (b.row - d.row) < 0.0
        };
        steps.iter().enumerate().map(|(i, a)| steps[..i].iter().filter(|b| crosses(a, b)).count()).sum()
    }

    #[test]
    fn each_node_stands_right_of_what_it_comes_from_and_no_two_share_a_slot() {
        let edges = [(0, 2), (1, 2), (2, 3), (0, 3), (3, 4), (1, 4)];
        let layout = lay_out(5, &edges);
        assert_eq!(layout.layers, 4);
        for (from, to) in edges {
            assert!(layout.nodes[from].layer < layout.nodes[to].layer, "{layout:?}");
        }
        for way in &layout.edges {
            let layers: Vec<usize> = way.iter().map(|slot| slot.layer).collect();
            let all: Vec<usize> = (layers[0]..layers[0] + layers.len()).collect();
            assert_eq!(layers, all, "an edge goes from layer to layer: {layout:?}");
        }
        let mut seen: Vec<(usize, i64)> =
            layout.nodes.iter().map(|slot| (slot.layer, (slot.row * 2.0) as i64)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 5);
    }

    #[test]
    fn edges_that_can_do_without_crossings_have_none() {
        let edges = [(0, 5), (1, 4), (2, 3), (5, 6), (4, 7), (3, 8)];
        assert_eq!(crossings(&lay_out(9, &edges)), 0);
    }

    #[test]
    fn a_circle_and_an_edge_to_nowhere_are_laid_out_all_the_same() {
        let layout = lay_out(3, &[(0, 1), (1, 2), (2, 0), (1, 1), (1, 9)]);
        assert_eq!(layout.nodes.len(), 3);
        assert!(layout.edges.iter().any(Vec::is_empty));
        assert_eq!(lay_out(0, &[]).layers, 0);
    }
}
