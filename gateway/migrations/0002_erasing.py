from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0001_initial"),
        ("apis", "0006_people"),
        ("keys", "0003_people"),
        ("tenants", "0005_people"),
    ]

    operations = [
        # Whatever has a column tenant_id, so that no table can be forgotten. A tenant's row goes last, and the foreign keys to it are
        # checked at once: they see past row security, so a row that was overlooked stops the erasure.
        migrations.RunSQL(
            """
            CREATE FUNCTION tenants_erase(which uuid) RETURNS void
            LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
            DECLARE
                before text := current_setting('portico.tenant_id', true);
                erased public.tenants_tenant%ROWTYPE;
                closing public.tenants_event%ROWTYPE;
                head public.tenants_eventcounter%ROWTYPE;
                place record;
                many bigint;
                counts jsonb := '{}';
            BEGIN
                SELECT * INTO erased FROM public.tenants_tenant
                    WHERE id = which AND status = 'closing' AND erase_at <= clock_timestamp() FOR UPDATE;
                IF NOT FOUND THEN
                    RAISE EXCEPTION 'Tenant % is not closing, or its time is not over.', which;
                END IF;
                PERFORM set_config('portico.tenant_id', which::text, true);
                SELECT * INTO STRICT head FROM public.tenants_eventcounter WHERE tenant_id = which;
                SELECT * INTO closing FROM public.tenants_event
                    WHERE tenant_id = which AND kind = 'tenant.closing' ORDER BY number DESC LIMIT 1;
                FOR place IN
                    SELECT t.relname FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid
                    WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p') AND NOT t.relispartition
                        AND a.attname = 'tenant_id' AND NOT a.attisdropped AND t.relname <> 'tenants_erasedtenant'
                    ORDER BY t.relname
                LOOP
                    EXECUTE format('DELETE FROM public.%I WHERE tenant_id = $1', place.relname) USING which;
                    GET DIAGNOSTICS many = ROW_COUNT;
                    counts := counts || jsonb_build_object(place.relname, many);
                END LOOP;
                DELETE FROM public.tenants_tenant WHERE id = which;
                SET CONSTRAINTS ALL IMMEDIATE;
                SET CONSTRAINTS ALL DEFERRED;
                INSERT INTO public.tenants_erasedtenant (slug, tenant_id, erased_at, certificate) VALUES (
                    erased.slug, which, clock_timestamp(), jsonb_build_object(
                        'tenant', jsonb_build_object('id', which, 'slug', erased.slug, 'name', erased.name, 'created_at', erased.created_at),
                        'closed', jsonb_build_object('at', closing.at, 'by', closing.actor_name, 'reason', closing.data->>'reason'),
                        'erased_at', clock_timestamp(),
                        'events', jsonb_build_object('number', head.number, 'digest', head.digest),
                        'rows', counts)::text);
                PERFORM set_config('portico.tenant_id', coalesce(before, ''), true);
            END $$;
            REVOKE EXECUTE ON FUNCTION tenants_erase FROM PUBLIC;
            GRANT EXECUTE ON FUNCTION tenants_erase TO portico_app;
            """,
            "DROP FUNCTION tenants_erase;",
        ),
        # A tenant goes by the function alone, and what is left of it stays.
        migrations.RunSQL(
            """
            REVOKE DELETE, TRUNCATE ON tenants_tenant FROM portico_app;
            REVOKE DELETE, TRUNCATE ON tenants_erasedtenant FROM portico_app;
            """,
            "GRANT DELETE ON tenants_tenant, tenants_erasedtenant TO portico_app;",
        ),
    ]
