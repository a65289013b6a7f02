//! What is absent is left out: no answer and no parameter is ever `null`. utoipa calls each
//! `Option` nullable besides, and a client made from that has a third case that never comes.

use utoipa::Modify;
use utoipa::openapi::schema::{ArrayItems, SchemaType, Type};
use utoipa::openapi::{OpenApi, RefOr, Schema};

/// The bodies of requests, in which `null` counts as not given.
const BODIES: [&str; 9] = [
    "NewOrder",
    "OperatorReason",
    "SagaBulk",
    "SagaBulkFilter",
    "MessageEdit",
    "ParkedBulk",
    "ParkedBulkFilter",
    "InViewsBulk",
    "InViewsBulkFilter",
];

/// Takes `null` out of the types of whatever is left out instead.
pub struct Omitted;

impl Modify for Omitted {
    fn modify(&self, document: &mut OpenApi) {
        let schemas = document.components.iter_mut();
        let schemas = schemas.flat_map(|components| &mut components.schemas);
        for (name, schema) in schemas {
            if !BODIES.contains(&name.as_str()) {
                never_null(schema);
            }
        }

        let items = document.paths.paths.values_mut();
        let operations = items.flat_map(|item| {
            [
                &mut item.get,
                &mut item.post,
                &mut item.put,
                &mut item.delete,
            ]
        });
        for parameter in operations
            .flatten()
            .flat_map(|one| &mut one.parameters)
            .flatten()
        {
            if let RefOr::T(parameter) = parameter {
                parameter.schema.iter_mut().for_each(never_null);
            }
        }
    }
}

fn never_null(schema: &mut RefOr<Schema>) {
    let RefOr::T(inner) = schema else { return };

    match inner {
        Schema::Object(object) => {
            not_null(&mut object.schema_type);
            object.properties.values_mut().for_each(never_null);
        }
        Schema::Array(array) => {
            not_null(&mut array.schema_type);
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                never_null(items);
            }
        }
        Schema::AllOf(all) => all.items.iter_mut().for_each(never_null),
        Schema::OneOf(one) => {
            one.items.retain(|item| !is_null(item));
            one.items.iter_mut().for_each(never_null);
            if let [only] = one.items.as_slice()
                && one.description.is_none()
            {
                *schema = only.clone();
            }
        }
        _ => {}
    }
}

fn not_null(schema_type: &mut SchemaType) {
    let SchemaType::Array(types) = schema_type else {
        return;
    };

    types.retain(|one| *one != Type::Null);
    if let [only] = types.as_slice() {
        *schema_type = SchemaType::Type(only.clone());
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    let RefOr::T(Schema::Object(object)) = schema else {
        return false;
    };
    object.schema_type == SchemaType::Type(Type::Null)
}
