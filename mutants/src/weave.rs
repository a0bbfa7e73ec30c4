//! Weaves changes into a source, each behind a switch.
//!
//! `a < b` becomes `(if on(7) { a <= b } else { a < b })`, a function that is to return something else does so at its
//! beginning, an arm that is to go is guarded. What runs under a switch that is off is as before.

use std::collections::BTreeSet;
use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::list::Change;

/// The module that holds the switches.
pub const SWITCH: &str = "mutants_switch";

/// A source with changes woven in.
pub struct Woven {
    /// The source.
    pub text: String,
    /// Where the replacement of each change stands in it.
    pub places: Vec<(Range<usize>, u32)>,
    /// The changes that are in it.
    pub changes: BTreeSet<u32>,
}

/// Weaves in those changes that can be. Left out is what cannot run in an ordinary build: the bugs that are put in.
///
/// # Errors
/// What is no Rust.
pub fn weave(source: &str, changes: &[Change]) -> Result<Woven, String> {
    let file = syn::parse_file(source).map_err(|error| error.to_string())?;
    let starts: Vec<usize> =
        std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let offset = |(line, column): (usize, usize)| {
        let start = starts[line - 1];
        let before = source[start..].chars().take(column - 1);
        start + before.map(char::len_utf8).sum::<usize>()
    };
    let placed = changes.iter().map(|change| {
        let at = offset(change.span.start)..offset(change.span.end);
        (at, change)
    });
    let mut weaver = Weaver {
        source,
        changes: placed.collect(),
        insertions: Vec::new(),
        woven: BTreeSet::new(),
        constant: Vec::new(),
        unconstant: BTreeSet::new(),
    };
    weaver.visit_file(&file);
    Ok(weaver.finish())
}

struct Insertion {
    at: usize,
    /// What closes at a place stands before what opens there; of these, the outer opens first and closes last.
    order: (bool, usize, usize),
    text: String,
    /// Where in the text the replacements of changes stand.
    places: Vec<(Range<usize>, u32)>,
}

struct Weaver<'s> {
    source: &'s str,
    changes: Vec<(Range<usize>, &'s Change)>,
    insertions: Vec<Insertion>,
    woven: BTreeSet<u32>,
    /// Where `const` stands of each function around this place; a switch can be asked in none that is.
    constant: Vec<Option<usize>>,
    unconstant: BTreeSet<usize>,
}

fn range(spanned: &impl Spanned) -> Range<usize> {
    spanned.span().byte_range()
}

impl<'s> Weaver<'s> {
    fn at(&self, kind: &str, start: usize) -> Vec<&'s Change> {
        let here = self.changes.iter().filter(|(at, c)| at.start == start && c.kind == kind);
        here.map(|(_, change)| *change).collect()
    }

    fn note(&mut self, change: &Change) {
        self.woven.insert(change.number);
        self.unconstant.extend(self.constant.last().copied().flatten());
    }

    /// Text before and behind a part of the source.
    fn wrap(&mut self, part: Range<usize>, before: Text, behind: &str) {
        let (whole, sooner) = (self.source.len(), self.insertions.len());
        self.insertions.push(Insertion {
            at: part.start,
            order: (true, whole - part.end, sooner),
            text: before.text,
            places: before.places,
        });
        self.insertions.push(Insertion {
            at: part.end,
            order: (false, whole - part.start, usize::MAX - sooner),
            text: behind.to_owned(),
            places: Vec::new(),
        });
    }

    /// The values that a function is to return instead, at the beginning of its body.
    fn body(&mut self, block: &syn::Block) {
        let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) else { return };
        let (start, end) = (range(first).start, range(last).end);
        let of_body =
            |at: &Range<usize>| at.end <= end && at.start <= start && at.start > range(block).start;
        let values: Vec<&Change> = (self.changes.iter())
            .filter(|(at, change)| change.kind == "FnValue" && of_body(at))
            .map(|(_, change)| *change)
            .collect();
        let mut text = Text::default();
        for change in values {
            text.add(&format!(" if crate::{SWITCH}::on({}) {{ return ", change.number));
            text.replace(&change.replacement, change.number);
            text.add("; } ");
            self.note(change);
        }
        let at = range(block).start + 1;
        let places = text.places;
        self.insertions.push(Insertion { at, order: (true, 0, 0), text: text.text, places });
    }

    fn finish(mut self) -> Woven {
        self.insertions.sort_by_key(|insertion| (insertion.at, insertion.order));
        let (mut text, mut places, mut done) = (String::new(), Vec::new(), 0);
        let removed = |upto: usize, text: &mut String, done: &mut usize| {
            for &at in self.unconstant.range(*done..upto) {
                text.push_str(&self.source[*done..at]);
                *done = at + "const ".len();
            }
            text.push_str(&self.source[*done..upto]);
            *done = upto;
        };
        for insertion in &self.insertions {
            removed(insertion.at, &mut text, &mut done);
            let start = text.len();
            let moved = |place: &Range<usize>| start + place.start..start + place.end;
            places.extend(insertion.places.iter().map(|(place, number)| (moved(place), *number)));
            text.push_str(&insertion.text);
        }
        removed(self.source.len(), &mut text, &mut done);
        Woven { text, places, changes: self.woven }
    }

    fn function(
        &mut self,
        signature: &syn::Signature,
        block: &syn::Block,
        inside: impl FnOnce(&mut Self),
    ) {
        self.constant.push(signature.constness.map(|word| range(&word).start));
        self.body(block);
        inside(self);
        self.constant.pop();
    }
}

#[derive(Default)]
struct Text {
    text: String,
    places: Vec<(Range<usize>, u32)>,
}

impl Text {
    fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn replace(&mut self, text: &str, number: u32) {
        let start = self.text.len();
        self.add(text);
        self.places.push((start..self.text.len(), number));
    }
}

/// Whether an expression binds names for what follows it, so that nothing can be put around it.
fn binds(expression: &syn::Expr) -> bool {
    struct Binds(bool);
    impl Visit<'_> for Binds {
        fn visit_expr_let(&mut self, _: &syn::ExprLet) {
            self.0 = true;
        }
        fn visit_block(&mut self, _: &syn::Block) {}
        fn visit_expr_closure(&mut self, _: &syn::ExprClosure) {}
    }
    let mut binds = Binds(false);
    binds.visit_expr(expression);
    binds.0
}

/// Whether a condition holds only where a bug is put in, which no ordinary build can do.
fn is_planted(condition: &syn::Expr) -> bool {
    match condition {
        syn::Expr::Call(call) => match &*call.func {
            syn::Expr::Path(path) => {
                let names: Vec<_> =
                    path.path.segments.iter().map(|s| s.ident.to_string()).collect();
                names == ["plant", "is_in"]
            }
            _ => false,
        },
        syn::Expr::Binary(both) => matches!(both.op, syn::BinOp::And(_)) && is_planted(&both.left),
        _ => false,
    }
}

impl<'a> Visit<'a> for Weaver<'_> {
    // What is made while compiling cannot be switched.
    fn visit_item_const(&mut self, _: &'a syn::ItemConst) {}
    fn visit_impl_item_const(&mut self, _: &'a syn::ImplItemConst) {}
    fn visit_item_static(&mut self, _: &'a syn::ItemStatic) {}
    fn visit_expr_const(&mut self, _: &'a syn::ExprConst) {}
    fn visit_type_array(&mut self, _: &'a syn::TypeArray) {}
    fn visit_pat(&mut self, _: &'a syn::Pat) {}
    fn visit_generic_argument(&mut self, _: &'a syn::GenericArgument) {}
    fn visit_expr_repeat(&mut self, repeat: &'a syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_item_fn(&mut self, function: &'a syn::ItemFn) {
        self.function(&function.sig, &function.block, |weaver| {
            visit::visit_item_fn(weaver, function)
        });
    }

    fn visit_impl_item_fn(&mut self, function: &'a syn::ImplItemFn) {
        let inside = |weaver: &mut Self| visit::visit_impl_item_fn(weaver, function);
        self.function(&function.sig, &function.block, inside);
    }

    fn visit_expr_if(&mut self, branch: &'a syn::ExprIf) {
        if !is_planted(&branch.cond) {
            visit::visit_expr_if(self, branch);
        } else if let Some((_, other)) = &branch.else_branch {
            self.visit_expr(other);
        }
    }

    fn visit_expr_binary(&mut self, binary: &'a syn::ExprBinary) {
        let operator = range(&binary.op);
        let whole = range(&*binary.left).start..range(&*binary.right).end;
        let changes = self.at("BinaryOperator", operator.start);
        if !changes.is_empty() && !binds(&binary.left) && !binds(&binary.right) {
            let (left, right) = (whole.start..operator.start, operator.end..whole.end);
            let (left, right) = (&self.source[left], &self.source[right]);
            let mut text = Text::default();
            text.add("(");
            for change in changes {
                text.add(&format!("if crate::{SWITCH}::on({}) {{ ", change.number));
                text.replace(&format!("{left}{}{right}", change.replacement), change.number);
                text.add(" } else ");
                self.note(change);
            }
            text.add("{ ");
            self.wrap(whole, text, " })");
        }
        if !(matches!(binary.op, syn::BinOp::And(_)) && is_planted(&binary.left)) {
            visit::visit_expr_binary(self, binary);
        }
    }

    fn visit_expr_unary(&mut self, unary: &'a syn::ExprUnary) {
        let operator = range(&unary.op);
        let whole = operator.start..range(&*unary.expr).end;
        for change in self.at("UnaryOperator", operator.start) {
            if !binds(&unary.expr) {
                let mut text = Text::default();
                text.add(&format!("(if crate::{SWITCH}::on({}) {{ ", change.number));
                text.replace(&self.source[operator.end..whole.end], change.number);
                text.add(" } else { ");
                self.wrap(whole.clone(), text, " })");
                self.note(change);
            }
        }
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_struct(&mut self, made: &'a syn::ExprStruct) {
        let rest = made.rest.as_ref().map(|rest| self.source[range(&**rest)].to_owned());
        for field in &made.fields {
            let (Some(rest), syn::Member::Named(name)) = (&rest, &field.member) else { continue };
            for change in self.at("StructField", range(field).start) {
                let value = range(&field.expr);
                let mut text = Text::default();
                if field.colon_token.is_none() {
                    text.add(&format!("{name}: "));
                }
                text.add(&format!("if crate::{SWITCH}::on({}) {{ ", change.number));
                text.replace(&format!("({rest}).{name}"), change.number);
                text.add(" } else { ");
                self.wrap(value, text, " }");
                self.note(change);
            }
        }
        visit::visit_expr_struct(self, made);
    }

    fn visit_arm(&mut self, arm: &'a syn::Arm) {
        let gone: Vec<&Change> = self.at("MatchArm", range(arm).start);
        let off = |change: &Change| format!("!crate::{SWITCH}::on({})", change.number);
        match &arm.guard {
            None => {
                for change in gone {
                    let (at, text) = (range(&arm.pat).end, format!(" if {} ", off(change)));
                    let order = (true, 0, 0);
                    self.insertions.push(Insertion { at, order, text, places: Vec::new() });
                    self.note(change);
                }
            }
            Some((_, guard)) if !binds(guard) && !is_planted(guard) => {
                let at = range(&**guard);
                let mut before = Text::default();
                let mut nested = 0;
                for change in gone.into_iter().chain(self.at("MatchArmGuard", at.start)) {
                    let always = change.replacement == "true";
                    let (switch, joined) = (off(change), if always { "||" } else { "&&" });
                    let switch = if always { &switch[1..] } else { &switch };
                    before.add(&format!("({switch} {joined} "));
                    nested += 1;
                    self.note(change);
                }
                if nested > 0 {
                    before.add("(");
                    self.wrap(at, before, &")".repeat(nested + 1));
                }
            }
            Some(_) => {}
        }
        visit::visit_arm(self, arm);
    }
}
